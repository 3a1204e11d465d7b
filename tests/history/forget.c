/*
 * Preloaded into a server, it keeps beside each file below FORGET_FOLDER what a loss of power would leave of it: only what
 * was synced. The server works on its files as ever; at each sync the ranges that were written since the last one are
 * copied to the file of the same name below FORGET_KEPT. Whoever kills the server puts those in the place of its files.
 *
 * With FORGET_VAIN=1 syncs keep nothing, as on a disk that lies.
 *
 * A name counts as kept with the first sync of its file. Files whose name ends with "-shm" are not followed: they are
 * shared memory, made anew by whoever comes first. No followed file is ever opened here a second time for reading
 * while it is open for that: closing it again would drop the locks that the process holds on it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_FDS 65536

struct range { off_t from, to; };

struct file {
    char name[PATH_MAX]; /* below the folder, with its slash */
    int kept;            /* the descriptor of what is kept, or -1 */
    off_t floor;         /* the smallest size since the last sync */
    struct range *ranges;
    size_t count, room;
    struct file *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static struct file *of_fd[MAX_FDS];

#define REAL(result, name, ...) \
    static result (*name##_)(__VA_ARGS__); \
    if (!name##_) *(void **)&name##_ = dlsym(RTLD_NEXT, #name)

static void must(int holds, const char *what) {
    if (holds) return;
    perror(what);
    abort();
}

/* The part of a path below the folder, if it is followed. */
static const char *followed(const char *path) {
    const char *folder = getenv("FORGET_FOLDER");
    size_t length = folder ? strlen(folder) : 0, whole = strlen(path);
    if (!length || strncmp(path, folder, length) || path[length] != '/') return NULL;
    if (whole >= 4 && !strcmp(path + whole - 4, "-shm")) return NULL;
    return path + length;
}

static void kept_path(char *path, const char *name) {
    must(snprintf(path, PATH_MAX, "%s%s", getenv("FORGET_KEPT"), name) < PATH_MAX, "forget: a long path");
}

static struct file *file_of(const char *name) {
    for (struct file *file = files; file; file = file->next)
        if (!strcmp(file->name, name)) return file;
    struct file *file = calloc(1, sizeof *file);
    must(file != NULL, "forget: memory");
    strcpy(file->name, name);
    file->kept = -1;
    file->floor = LLONG_MAX;
    file->next = files;
    files = file;
    return file;
}

/* The name means another file from now on; what is open of it goes on without being followed. */
static void drop_name(const char *name) {
    char path[PATH_MAX];
    kept_path(path, name);
    for (struct file *file = files; file; file = file->next)
        if (!strcmp(file->name, name)) file->name[0] = 0;
    REAL(int, unlink, const char *);
    unlink_(path);
}

static void opened(int fd, int flags) {
    if (fd < 0) return;
    must(fd < MAX_FDS, "forget: too many files");
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    const char *name = followed(path);
    struct stat stat;
    if (!name || fstat(fd, &stat) || !S_ISREG(stat.st_mode)) return;
    pthread_mutex_lock(&lock);
    struct file *file = of_fd[fd] = file_of(name);
    if (flags & O_TRUNC) file->floor = 0;
    pthread_mutex_unlock(&lock);
}

static void wrote(int fd, off_t from, ssize_t length) {
    if (length <= 0 || fd < 0 || fd >= MAX_FDS) return;
    pthread_mutex_lock(&lock);
    struct file *file = of_fd[fd];
    if (file) {
        struct range *last = file->count ? &file->ranges[file->count - 1] : NULL;
        off_t to = from + length;
        if (last && from >= last->from && from <= last->to) {
            if (to > last->to) last->to = to;
        } else {
            if (file->count == file->room) {
                file->room = file->room ? file->room * 2 : 64;
                file->ranges = realloc(file->ranges, file->room * sizeof *file->ranges);
                must(file->ranges != NULL, "forget: memory");
            }
            file->ranges[file->count++] = (struct range){ from, to };
        }
    }
    pthread_mutex_unlock(&lock);
}

static void shrunk(int fd, off_t size) {
    if (fd < 0 || fd >= MAX_FDS) return;
    pthread_mutex_lock(&lock);
    if (of_fd[fd] && size < of_fd[fd]->floor) of_fd[fd]->floor = size;
    pthread_mutex_unlock(&lock);
}

static void copy(int from, int to, struct range range, int (*pwrite_)(int, const void *, size_t, off_t)) {
    static char buffer[1 << 16];
    while (range.from < range.to) {
        off_t rest = range.to - range.from;
        size_t wanted = rest < (off_t)sizeof buffer ? (size_t)rest : sizeof buffer;
        ssize_t got = pread(from, buffer, wanted, range.from);
        must(got > 0, "forget: reading what was synced");
        must(pwrite_(to, buffer, (size_t)got, range.from) == got, "forget: keeping what was synced");
        range.from += got;
    }
}

static int keep_bytes(int fd, const void *bytes, size_t length, off_t at) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
    return (int)pwrite64_(fd, bytes, length, at);
}

static void synced(int fd) {
    const char *vain = getenv("FORGET_VAIN");
    if (fd < 0 || fd >= MAX_FDS || (vain && vain[0] == '1')) return;
    REAL(int, open64, const char *, int, ...);
    REAL(int, ftruncate64, int, off_t);
    REAL(int, close, int);
    pthread_mutex_lock(&lock);
    struct file *file = of_fd[fd];
    if (file && file->name[0]) {
        char path[PATH_MAX];
        struct stat now, kept;
        kept_path(path, file->name);
        if (file->kept < 0) file->kept = open64_(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        must(file->kept >= 0 && !fstat(fd, &now) && !fstat(file->kept, &kept), path);
        if (file->floor < kept.st_size) must(!ftruncate64_(file->kept, file->floor), path);
        must(!ftruncate64_(file->kept, now.st_size), path);
        int source = fd;
        char byte;
        if (pread(fd, &byte, 1, 0) < 0 && errno == EBADF) {
            snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
            source = open64_(path, O_RDONLY | O_CLOEXEC);
            must(source >= 0, path);
        }
        for (size_t i = 0; i < file->count; i++) {
            struct range range = file->ranges[i];
            if (range.to > now.st_size) range.to = now.st_size;
            copy(source, file->kept, range, keep_bytes);
        }
        if (source != fd) close_(source);
        file->count = 0;
        file->floor = now.st_size;
    }
    pthread_mutex_unlock(&lock);
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        REAL(int, name, const char *, int, ...); \
        int fd = name##_(path, flags, mode); \
        opened(fd, flags); \
        return fd; \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        REAL(int, name, int, const char *, int, ...); \
        int fd = name##_(folder, path, flags, mode); \
        opened(fd, flags); \
        return fd; \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

int close(int fd) {
    REAL(int, close, int);
    if (fd >= 0 && fd < MAX_FDS) {
        pthread_mutex_lock(&lock);
        of_fd[fd] = NULL;
        pthread_mutex_unlock(&lock);
    }
    return close_(fd);
}

/* Where a write that names no place went: it ends where the next one begins. */
static void wrote_here(int fd, ssize_t length) {
    int error = errno;
    if (length > 0 && fd >= 0 && fd < MAX_FDS && of_fd[fd]) wrote(fd, lseek(fd, 0, SEEK_CUR) - length, length);
    errno = error;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    ssize_t done = write_(fd, bytes, length);
    wrote_here(fd, done);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    ssize_t done = writev_(fd, parts, count);
    wrote_here(fd, done);
    return done;
}

#define WRITES_AT(name) \
    ssize_t name(int fd, const void *bytes, size_t length, off_t at) { \
        REAL(ssize_t, name, int, const void *, size_t, off_t); \
        ssize_t done = name##_(fd, bytes, length, at); \
        wrote(fd, at, done); \
        return done; \
    }
WRITES_AT(pwrite)
WRITES_AT(pwrite64)

#define TRUNCATES(name) \
    int name(int fd, off_t size) { \
        REAL(int, name, int, off_t); \
        int done = name##_(fd, size); \
        if (!done) shrunk(fd, size); \
        return done; \
    }
TRUNCATES(ftruncate)
TRUNCATES(ftruncate64)

#define SYNCS(name) \
    int name(int fd) { \
        REAL(int, name, int); \
        int done = name##_(fd); \
        if (!done) synced(fd); \
        return done; \
    }
SYNCS(fsync)
SYNCS(fdatasync)

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    const char *name = followed(path);
    if (name) {
        pthread_mutex_lock(&lock);
        drop_name(name);
        pthread_mutex_unlock(&lock);
    }
    return unlink_(path);
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    int done = rename_(from, to);
    const char *before = followed(from), *after = followed(to);
    if (!done && before && after) {
        char kept_before[PATH_MAX], kept_after[PATH_MAX];
        pthread_mutex_lock(&lock);
        drop_name(after);
        kept_path(kept_before, before);
        kept_path(kept_after, after);
        rename_(kept_before, kept_after);
        for (struct file *file = files; file; file = file->next)
            if (!strcmp(file->name, before)) strcpy(file->name, after);
        pthread_mutex_unlock(&lock);
    }
    return done;
}

int linkat(int folder, const char *from, int other, const char *to, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    int done = linkat_(folder, from, other, to, flags);
    const char *before = followed(from), *after = followed(to);
    if (!done && before && after) {
        char kept_before[PATH_MAX], kept_after[PATH_MAX];
        kept_path(kept_before, before);
        kept_path(kept_after, after);
        linkat_(AT_FDCWD, kept_before, AT_FDCWD, kept_after, 0);
    }
    return done;
}
