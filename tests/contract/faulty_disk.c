/* Makes the n-th change of files below a folder fail, or ends the process before it.

   Preloaded into every process of a job (LD_PRELOAD). FAULT_FOLDER names the folder, or several
   with ":" between. FAULT_CONTROL is a file of four 32-bit numbers that all processes share:
   how many changes there were, which one is hit, how (an errno, or 0 for SIGKILL), and whether
   all later ones fail too. Counted are: open to write, write, fsync, rename, unlink, mkdir,
   rmdir. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct control { _Atomic int count; int at, error, stays; };
static struct control *control;
#define DESCRIPTORS 4096
static char watched[DESCRIPTORS];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULT_CONTROL");
  int fd = path ? REAL(open)(path, O_RDWR) : -1;
  if (fd < 0) return;
  void *found = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (found != MAP_FAILED) control = found;
}

static int below(int folder, const char *path) {
  const char *folders = getenv("FAULT_FOLDER");
  char whole[2 * PATH_MAX] = "";
  if (!control || !folders || !path) return 0;
  if (path[0] != '/' && folder != AT_FDCWD) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, whole, PATH_MAX);
    if (length < 0) return 0;
    whole[length] = '/';
    whole[length + 1] = 0;
  }
  strncat(whole, path, PATH_MAX - 1);
  for (const char *each = folders; *each;) {
    size_t length = strcspn(each, ":");
    if (!strncmp(whole, each, length) && (whole[length] == '/' || !whole[length])) return 1;
    each += length + (each[length] == ':');
  }
  return 0;
}

/* Whether this change fails; does not return when it is the process's end. A full disk still
   lets files be renamed and deleted. */
static int fails(int takes_room) {
  int number = atomic_fetch_add(&control->count, 1) + 1;
  if (!control->at || number < control->at || (number > control->at && !control->stays)) return 0;
  if (control->error == 0) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
  if (control->error == ENOSPC && !takes_room) return 0;
  errno = control->error;
  return 1;
}

static int opened(int fd, int is_watched) {
  if (fd >= 0 && fd < DESCRIPTORS) watched[fd] = is_watched;
  return fd;
}

static int is_watched(int fd) { return control && fd >= 0 && fd < DESCRIPTORS && watched[fd]; }

#define OPEN(name, before, folder, call)                                  \
  int name(before const char *path, int flags, ...) {                     \
    mode_t mode = 0;                                                      \
    va_list rest;                                                         \
    va_start(rest, flags);                                                \
    if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(rest, mode_t);       \
    va_end(rest);                                                         \
    int ours = (flags & (O_WRONLY | O_RDWR)) && below(folder, path);      \
    if (ours && fails(1)) return -1;                                      \
    return opened(REAL(name) call, ours);                                 \
  }
#define NOTHING
#define FOLDER int folder,
OPEN(open, NOTHING, AT_FDCWD, (path, flags, mode))
OPEN(open64, NOTHING, AT_FDCWD, (path, flags, mode))
OPEN(openat, FOLDER, folder, (folder, path, flags, mode))
OPEN(openat64, FOLDER, folder, (folder, path, flags, mode))

int close(int fd) {
  opened(fd, 0);
  return REAL(close)(fd);
}

ssize_t write(int fd, const void *data, size_t size) {
  if (is_watched(fd) && fails(1)) return -1;
  return REAL(write)(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (is_watched(fd) && fails(1)) return -1;
  return REAL(writev)(fd, parts, count);
}

int fsync(int fd) {
  if (is_watched(fd) && fails(1)) return -1;
  return REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
  if ((below(AT_FDCWD, from) || below(AT_FDCWD, to)) && fails(0)) return -1;
  return REAL(rename)(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
  if ((below(a, from) || below(b, to)) && fails(0)) return -1;
  return REAL(renameat)(a, from, b, to);
}

int unlink(const char *path) {
  if (below(AT_FDCWD, path) && fails(0)) return -1;
  return REAL(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags) {
  if (below(folder, path) && fails(0)) return -1;
  return REAL(unlinkat)(folder, path, flags);
}

int rmdir(const char *path) {
  if (below(AT_FDCWD, path) && fails(0)) return -1;
  return REAL(rmdir)(path);
}

int mkdir(const char *path, mode_t mode) {
  if (below(AT_FDCWD, path) && fails(1)) return -1;
  return REAL(mkdir)(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
  if (below(folder, path) && fails(1)) return -1;
  return REAL(mkdirat)(folder, path, mode);
}
