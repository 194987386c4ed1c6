// Preloaded into a process, gives it another wall clock: that of the host plus nanoseconds that a file holds, which may
// change at any time. The steady clocks stay. Waits until a moment of the wall clock end by the shifted one, as they
// would on a host whose clock was set.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
// How soon a wait notices that the clock was set.
#define LOOK (50 * 1000000LL)

typedef int (*clock_function)(clockid_t, struct timespec*);

static const volatile int64_t* shift;
static clock_function host_clock;

// Without libc, since an allocator may ask for the time before anything else works.
static long enter_kernel(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
#error "not written for this processor"
#endif
}

__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("SHIFTED_CLOCK");
  host_clock = (clock_function)dlsym(RTLD_NEXT, "clock_gettime");
  const int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void* page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) shift = page;
}

static int ask_host(clockid_t clock, struct timespec* time) {
  if (host_clock != NULL) return host_clock(clock, time);
  const long result = enter_kernel(SYS_clock_gettime, clock, (long)time, 0, 0, 0, 0);
  if (result == 0) return 0;
  errno = (int)-result;
  return -1;
}

static int64_t nanos_of(const struct timespec* time) { return time->tv_sec * SECOND + time->tv_nsec; }

static struct timespec time_of(int64_t nanos) {
  const struct timespec time = {nanos / SECOND, nanos % SECOND};
  return time;
}

static int64_t shifted_by(void) { return shift == NULL ? 0 : *shift; }

int clock_gettime(clockid_t clock, struct timespec* time) {
  const int result = ask_host(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    *time = time_of(nanos_of(time) + shifted_by());
  }
  return result;
}

int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}

static long wait_on_futex(long* arguments) {
  const int64_t until = nanos_of((const struct timespec*)arguments[3]);
  for (;;) {
    struct timespec host;
    ask_host(CLOCK_REALTIME, &host);
    const int64_t now = nanos_of(&host);
    int64_t left = until - shifted_by() - now;
    if (left < 0) left = 0;
    if (left > LOOK) left = LOOK;
    const struct timespec slice = time_of(now + left);
    const long result = enter_kernel(SYS_futex, arguments[0], arguments[1], arguments[2], (long)&slice, arguments[4],
                                     arguments[5]);
    ask_host(CLOCK_REALTIME, &host);
    if (result != -ETIMEDOUT || nanos_of(&host) + shifted_by() >= until) return result;
  }
}

// The only way by which Abseil, and so gRPC, waits until a moment of the wall clock.
long syscall(long number, ...) {
  long arguments[6];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; ++i) arguments[i] = va_arg(list, long);
  va_end(list);
  const int operation = (int)arguments[1];
  const int by_wall_clock = number == SYS_futex && (operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET &&
                            (operation & FUTEX_CLOCK_REALTIME) != 0 && arguments[3] != 0;
  const long result = by_wall_clock ? wait_on_futex(arguments)
                                    : enter_kernel(number, arguments[0], arguments[1], arguments[2], arguments[3],
                                                   arguments[4], arguments[5]);
  if (result >= 0 || result < -4095) return result;
  errno = (int)-result;
  return -1;
}
