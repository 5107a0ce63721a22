/* A Video4Linux camera without a kernel driver: loaded with LD_PRELOAD, it answers for one path.
 *
 * Environment: CAMERA_PATH, the device to be; CAMERA_JPEG, a picture in Motion JPEG of 320x240;
 * CAMERA_BEHAVIOUR, a file that holds one word: stream, stall (no frames), garbage (no JPEG),
 * gone (unplugged), YUYV, UYVY, NV12, GREY (knows this format alone; the luminance falls from left
 * to right and the colours are 90), Bayer and metadata (nothing to read), slow (10 frames a second), unstamped, fixed (one stamp for all
 * frames), ahead (stamps of an hour later), busy (another program streams).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 320, HEIGHT = 240, SIZE = WIDTH * HEIGHT * 2, MOST = 8, RATE = 30, AGE_MS = 50 };

static int camera = -1, buffers, queue[MOST], queued;
static unsigned char *memory[MOST];
static __u32 format = V4L2_PIX_FMT_YUYV;

static int behaves(const char *word) {
    char line[16] = "";
    FILE *file = fopen(getenv("CAMERA_BEHAVIOUR"), "r");
    if (file) {
        if (!fgets(line, sizeof line, file)) line[0] = 0;
        fclose(file);
    }
    return !strncmp(line, word, strlen(word));
}

static __u32 only_format(void) {
    return behaves("YUYV") ? V4L2_PIX_FMT_YUYV : behaves("UYVY") ? V4L2_PIX_FMT_UYVY
         : behaves("NV12") ? V4L2_PIX_FMT_NV12 : behaves("GREY") ? V4L2_PIX_FMT_GREY
         : behaves("Bayer") ? V4L2_PIX_FMT_SRGGB8 : 0;
}

static int knows(__u32 asked) {
    if (only_format()) return asked == only_format();
    return asked == V4L2_PIX_FMT_YUYV || asked == V4L2_PIX_FMT_MJPEG;
}

static int rate(void) { return behaves("slow") ? 10 : RATE; }

static int fail(int code) {
    errno = code;
    return -1;
}

static int open_camera(void) {
    if (behaves("gone")) return fail(ENOENT);
    struct itimerspec each = {{0, 1000000000 / rate()}, {0, 1000000000 / rate()}};
    int opened = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(opened, 0, &each, NULL); /* readable when a frame is due, as select() asks */
    return camera = opened;
}

#define OPEN(NAME)                                                                   \
    int NAME(const char *path, int flags, ...) {                                     \
        va_list rest;                                                                \
        va_start(rest, flags);                                                       \
        mode_t mode = va_arg(rest, mode_t);                                          \
        va_end(rest);                                                                \
        if (getenv("CAMERA_PATH") && !strcmp(path, getenv("CAMERA_PATH"))) return open_camera(); \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #NAME);               \
        return real(path, flags, mode);                                              \
    }
OPEN(open)
OPEN(open64)

#define MMAP(NAME, OFFSET)                                                           \
    void *NAME(void *at, size_t size, int access, int flags, int file, OFFSET offset) { \
        void *(*real)(void *, size_t, int, int, int, OFFSET) = dlsym(RTLD_NEXT, #NAME); \
        if (file < 0 || file != camera) return real(at, size, access, flags, file, offset); \
        int index = offset / SIZE;                                                   \
        memory[index] = real(NULL, size, PROT_READ | PROT_WRITE,                     \
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);                    \
        return memory[index];                                                        \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

static void describe(struct v4l2_format *answer) {
    answer->fmt.pix.width = WIDTH;
    answer->fmt.pix.height = HEIGHT;
    answer->fmt.pix.pixelformat = format;
    answer->fmt.pix.field = V4L2_FIELD_NONE;
    int packed = format == V4L2_PIX_FMT_YUYV || format == V4L2_PIX_FMT_UYVY;
    answer->fmt.pix.bytesperline = format == V4L2_PIX_FMT_MJPEG ? 0 : packed ? WIDTH * 2 : WIDTH;
    answer->fmt.pix.sizeimage = SIZE;
}

static int fill(unsigned char *target) {
    if (format != V4L2_PIX_FMT_MJPEG) {
        int packed = format == V4L2_PIX_FMT_YUYV || format == V4L2_PIX_FMT_UYVY;
        memset(target, 90, SIZE);
        for (int i = 0; i < WIDTH * HEIGHT; i++)
            target[packed ? 2 * i + (format == V4L2_PIX_FMT_UYVY) : i] = 250 - i % WIDTH / 2;
        return packed ? SIZE : format == V4L2_PIX_FMT_GREY ? SIZE / 2 : SIZE * 3 / 4;
    }
    if (behaves("garbage")) {
        memset(target, 0x5a, 2000);
        return 2000;
    }
    FILE *file = fopen(getenv("CAMERA_JPEG"), "rb");
    int size = fread(target, 1, SIZE, file);
    fclose(file);
    return size;
}

static int take(struct v4l2_buffer *buffer) {
    unsigned long long due;
    struct timespec now;
    if (behaves("gone")) return fail(ENODEV);
    if (read(camera, &due, sizeof due) < 0 || behaves("stall") || !queued) return fail(EAGAIN);
    int index = queue[0];
    memmove(queue, queue + 1, --queued * sizeof *queue);
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->index = index;
    buffer->length = SIZE;
    buffer->bytesused = fill(memory[index]);
    long long stamp = now.tv_sec * 1000000LL + now.tv_nsec / 1000 - AGE_MS * 1000;
    if (behaves("ahead")) stamp += 3600000000LL;
    static long long first;
    if (!first) first = stamp;
    if (behaves("fixed")) stamp = first;
    if (behaves("unstamped")) stamp = 0;
    buffer->timestamp.tv_sec = stamp / 1000000;
    buffer->timestamp.tv_usec = stamp % 1000000;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_DONE;
    return 0;
}

static int answer(unsigned long request, void *argument) {
    struct v4l2_capability *capability = argument;
    struct v4l2_format *wanted = argument;
    struct v4l2_fmtdesc *kind = argument;
    struct v4l2_streamparm *pace = argument;
    struct v4l2_requestbuffers *ask = argument;
    struct v4l2_buffer *buffer = argument;
    switch (request) {
    case VIDIOC_QUERYCAP:
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->card, "Preloaded camera");
        strcpy((char *)capability->driver, "preloaded");
        capability->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
        capability->device_caps = V4L2_CAP_STREAMING |
            (behaves("metadata") ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE);
        return 0;
    case VIDIOC_S_FMT:
    case VIDIOC_TRY_FMT:
        if (!knows(wanted->fmt.pix.pixelformat)) return fail(EINVAL);
        if (request == VIDIOC_S_FMT) format = wanted->fmt.pix.pixelformat;
        describe(wanted);
        return 0;
    case VIDIOC_ENUM_FMT:
        if (kind->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
        if (kind->index >= (only_format() ? 1 : 2)) return fail(EINVAL);
        kind->pixelformat = only_format() ? only_format()
                          : kind->index ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
        return 0;
    case VIDIOC_G_FMT:
        describe(wanted);
        return 0;
    case VIDIOC_S_PARM:
    case VIDIOC_G_PARM:
        pace->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        pace->parm.capture.timeperframe.numerator = 1;
        pace->parm.capture.timeperframe.denominator = rate();
        return 0;
    case VIDIOC_REQBUFS:
        if (behaves("busy")) return fail(EBUSY);
        queued = 0;
        buffers = ask->count = ask->count > MOST ? MOST : ask->count;
        return 0;
    case VIDIOC_QUERYBUF:
        if (buffer->index >= (unsigned)buffers) return fail(EINVAL);
        buffer->length = SIZE;
        buffer->m.offset = buffer->index * SIZE;
        return 0;
    case VIDIOC_QBUF:
        queue[queued++] = buffer->index;
        return 0;
    case VIDIOC_DQBUF:
        return take(buffer);
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        return 0;
    default:
        return fail(EINVAL);
    }
}

int ioctl(int file, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (file >= 0 && file == camera) return answer(request, argument);
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return real(file, request, argument);
}
