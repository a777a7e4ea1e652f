/*
 * Loaded into a process before libc (LD_PRELOAD). Writes down, in order, what the process does to the files of one folder, and what it has made
 * sure of: `RECORD_DIR`, a real path, and `RECORD_LOG`, a file elsewhere. Each record is a line `<op> <inode> <offset> <length> <path>\t<to>\n`
 * and then so many bytes. What a call does is done before it is written down, and nobody can act on it before that.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[4096];
static size_t folder_length;
static int log_file = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
  const char *dir = getenv("RECORD_DIR"), *log = getenv("RECORD_LOG");
  if (dir == NULL || log == NULL) return;
  snprintf(folder, sizeof folder, "%s", dir);
  folder_length = strlen(folder);
  log_file = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The index of the write-ahead log is memory: it is made anew. */
static int is_recorded(const char *path) {
  size_t length = strlen(path);
  if (log_file < 0 || strncmp(path, folder, folder_length) != 0) return 0;
  return length < 4 || strcmp(path + length - 4, "-shm") != 0;
}

static int path_of(int file, char *path, size_t size) {
  char link[64];
  if (log_file < 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, size - 1);
  if (length <= 0) return 0;
  path[length] = '\0';
  return is_recorded(path);
}

static unsigned long inode_of(int file) {
  struct stat found;
  return fstat(file, &found) == 0 ? (unsigned long)found.st_ino : 0;
}

static void record(char op, unsigned long inode, long long offset, const void *bytes, size_t length, const char *path, const char *to) {
  int saved = errno;
  char line[8400];
  int line_length = snprintf(line, sizeof line, "%c %lu %lld %zu %s\t%s\n", op, inode, offset, length, path, to);
  struct iovec parts[2] = {{line, (size_t)line_length}, {(void *)bytes, length}};
  pthread_mutex_lock(&turn);
  if (syscall(SYS_writev, log_file, parts, 2) != (ssize_t)(line_length + length)) abort();
  pthread_mutex_unlock(&turn);
  errno = saved;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static ssize_t wrote(int file, const void *bytes, long long offset, ssize_t done) {
  char path[4096];
  if (done > 0 && path_of(file, path, sizeof path)) record('w', inode_of(file), offset, bytes, (size_t)done, path, "");
  return done;
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) {
  return wrote(file, bytes, offset, REAL(pwrite)(file, bytes, length, offset));
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset) {
  return wrote(file, bytes, offset, REAL(pwrite64)(file, bytes, length, offset));
}

ssize_t write(int file, const void *bytes, size_t length) {
  ssize_t done = REAL(write)(file, bytes, length);
  return wrote(file, bytes, (long long)syscall(SYS_lseek, file, 0, SEEK_CUR) - done, done);
}

static int truncated(int file, long long size, int done) {
  char path[4096];
  if (done == 0 && path_of(file, path, sizeof path)) record('t', inode_of(file), size, NULL, 0, path, "");
  return done;
}

int ftruncate(int file, off_t size) { return truncated(file, size, REAL(ftruncate)(file, size)); }

int ftruncate64(int file, off64_t size) { return truncated(file, size, REAL(ftruncate64)(file, size)); }

static int synced(int file, int done) {
  char path[4096];
  if (done == 0 && path_of(file, path, sizeof path)) record('s', inode_of(file), 0, NULL, 0, path, "");
  return done;
}

int fsync(int file) { return synced(file, REAL(fsync)(file)); }

int fdatasync(int file) { return synced(file, REAL(fdatasync)(file)); }

static int opened(const char *path, int flags, int existed, int file) {
  char real[4096];
  if (file < 0 || !(flags & O_CREAT) || !path_of(file, real, sizeof real)) return file;
  if (!existed) record('c', inode_of(file), 0, NULL, 0, real, "");
  else if (flags & O_TRUNC) record('t', inode_of(file), 0, NULL, 0, real, "");
  return file;
}

#define OPENS(name)                                             \
  int name(const char *path, int flags, ...) {                  \
    va_list rest;                                               \
    va_start(rest, flags);                                      \
    int mode = flags & O_CREAT ? va_arg(rest, int) : 0;         \
    va_end(rest);                                               \
    int existed = access(path, F_OK) == 0;                      \
    return opened(path, flags, existed, REAL(name)(path, flags, mode)); \
  }
OPENS(open)
OPENS(open64)

int rename(const char *from, const char *to) {
  int done = REAL(rename)(from, to);
  if (done == 0 && is_recorded(from)) record('r', 0, 0, NULL, 0, from, to);
  return done;
}

static int removed(const char *path, int done) {
  if (done == 0 && is_recorded(path)) record('u', 0, 0, NULL, 0, path, "");
  return done;
}

int unlink(const char *path) { return removed(path, REAL(unlink)(path)); }

int remove(const char *path) { return removed(path, REAL(remove)(path)); }

int unlinkat(int file, const char *path, int flags) { return removed(path, REAL(unlinkat)(file, path, flags)); }
