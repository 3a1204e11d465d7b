-- Each field of the listing has an end of its own: the counters 'listed' are named after the fields.
INSERT INTO counter (kind, name, value)
    SELECT 'listed', field.name, value FROM counter
    CROSS JOIN (SELECT 'container' AS name UNION SELECT 'stack' UNION SELECT 'agent' UNION SELECT 'type') AS field
    WHERE kind = 'listed' AND counter.name = '';
DELETE FROM counter WHERE kind = 'listed' AND name = '';
