/* Preloaded (LD_PRELOAD) into a bench and the node it starts: every sync of a file takes at least SLOW_DISK_US
   microseconds, as on a disk that really turns or a volume far away. The sync itself is carried out all the same. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int slowly(const char *name, int fd) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    const char *text = getenv("SLOW_DISK_US");
    end.tv_nsec += text ? atol(text) * 1000 : 0;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = real(fd);
    int why = errno;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {
    }
    errno = why;
    return result;
}

int fdatasync(int fd) { return slowly("fdatasync", fd); }
int fsync(int fd) { return slowly("fsync", fd); }
