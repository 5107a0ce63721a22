/* A heap of DMA buffers without a kernel driver: loaded with LD_PRELOAD, it hands out anonymous memory.
 *
 * picamera2 and libcamera's virtual camera take their buffers from /dev/dma_heap, which a container
 * or a PC may not have. What they do with a buffer (map it, pass it on, sync it) works on a memfd.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *HEAP = "/dev/dma_heap/";

static int open_heap(int flags) { return memfd_create("heap", flags & O_CLOEXEC ? MFD_CLOEXEC : 0); }

#define OPEN(NAME)                                                             \
    int NAME(const char *path, int flags, ...) {                               \
        va_list rest;                                                          \
        va_start(rest, flags);                                                 \
        mode_t mode = va_arg(rest, mode_t);                                    \
        va_end(rest);                                                          \
        if (!strncmp(path, HEAP, strlen(HEAP))) return open_heap(flags);       \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #NAME);         \
        return real(path, flags, mode);                                        \
    }
OPEN(open)
OPEN(open64)

int ioctl(int file, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (request == DMA_HEAP_IOCTL_ALLOC) {
        struct dma_heap_allocation_data *wanted = argument;
        int buffer = memfd_create("buffer", MFD_CLOEXEC);
        if (buffer < 0 || ftruncate(buffer, wanted->len) < 0) return -1;
        wanted->fd = buffer;
        return 0;
    }
    if (request == DMA_BUF_IOCTL_SYNC || (request & 0xffff) == (DMA_BUF_SET_NAME_A & 0xffff)) return 0;
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return real(file, request, argument);
}
