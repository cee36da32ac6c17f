/* Loaded before the C library, it stops the wall clock of the programs that judge tokens at NOW, which
   the compiler is given: Envoy and PyJWT know no other clock. Timers use the monotonic clock and run on. */

#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, now);
    *now = (struct timespec){.tv_sec = NOW};
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    *now = (struct timeval){.tv_sec = NOW};
    return 0;
}

time_t time(time_t *now) {
    if (now) *now = NOW;
    return NOW;
}
