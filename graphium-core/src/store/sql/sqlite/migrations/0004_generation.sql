-- The generation of a task's stack, which pruning looks at, out of the spec: that may be unreadable.
ALTER TABLE task ADD COLUMN generation INTEGER;
UPDATE task SET generation = (
    SELECT CASE WHEN json_valid(spec) THEN json_extract(spec, '$.placed.generation') END
    FROM task_spec WHERE task_spec.number = task.number
) WHERE stack IS NOT NULL;
