/* An encoder device that is none: it keeps the rules of the real one (their order above all), finds real motion by
 * search between the pictures it is given, and reports it as MVInfo. Its coded pictures are NAL units with nothing
 * in them. Tests turn the numbers below; they are read when a device is opened or a picture coded. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "v4l2_nv_extensions.h"

int fake_sign = 1, fake_subpel = 4, fake_radius = 8; /* what is written down: sign * subpel * pixels */
int fake_padding = 192, fake_short = 0;              /* bytes more, and less, than the vectors need */
int fake_fail_at = -1, fake_drop_at = -1;            /* number of a coded picture that fails; of a raw one that is left out */
int fake_refuse_vectors = 0, fake_no_vectors_at = -1, fake_other_buffer = 0;
int fake_open_devices = 0;

enum { MOST = 16, FAKE_JUNK = 777 };
struct coded {
    int fd, queued;
    size_t room, vector_bytes;
    MVInfo *vectors;
};
struct job {
    uint32_t index, bytes;
    struct timeval stamp;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct {
    int open, width, height, cell, coded_set, raw_set, vectors_on, interval, forced, since_idr, raw_on, coded_on;
    size_t room;
    struct coded coded[MOST];
    uint32_t coded_count, raw_count;
    struct job raw[MOST], raw_done[MOST], coded_queue[MOST], coded_done[MOST];
    unsigned long pointers[MOST];
    int raws, raws_done, codeds, codeds_done, taken, given, failed;
    uint8_t *before;
} d;

static int refuse(int code) {
    errno = code;
    return -1;
}

static void push(struct job *jobs, int *count, struct job job) { jobs[(*count)++] = job; }

static struct job pop(struct job *jobs, int *count) {
    struct job first = jobs[0];
    memmove(jobs, jobs + 1, sizeof *jobs * --*count);
    return first;
}

static long difference(const uint8_t *now, int left, int top, int dx, int dy) {
    long sum = 0;
    for (int y = top; y < top + d.cell && y < d.height; y++)
        for (int x = left; x < left + d.cell && x < d.width; x++) {
            int from_x = x - dx, from_y = y - dy;
            if (from_x < 0 || from_y < 0 || from_x >= d.width || from_y >= d.height)
                return INT32_MAX;
            sum += abs(now[y * d.width + x] - d.before[from_y * d.width + from_x]);
        }
    return sum;
}

static void estimate(const uint8_t *now, MVInfo *vectors) {
    int columns = (d.width + d.cell - 1) / d.cell, rows = (d.height + d.cell - 1) / d.cell;
    for (int i = 0; i < columns * rows; i++) {
        int left = i % columns * d.cell, top = i / columns * d.cell, best_x = 0, best_y = 0;
        long best = difference(now, left, top, 0, 0);
        for (int dy = -fake_radius; dy <= fake_radius && best; dy++)
            for (int dx = -fake_radius; dx <= fake_radius; dx++) {
                long cost = difference(now, left, top, dx, dy);
                if (cost < best)
                    best = cost, best_x = dx, best_y = dy;
            }
        vectors[i].mv_x = fake_sign * fake_subpel * best_x;
        vectors[i].mv_y = fake_sign * fake_subpel * best_y;
        vectors[i].weight = i % 4;
    }
}

static void junk(MVInfo *vectors, size_t bytes) {
    for (size_t i = 0; i < bytes / sizeof *vectors; i++)
        vectors[i].mv_x = FAKE_JUNK, vectors[i].mv_y = -FAKE_JUNK;
}

static size_t write_stream(struct coded *to, int idr) {
    static const uint8_t H264[2] = {0x41, 0x65}, HEVC[2] = {0x02, 0x26};
    uint8_t nal[7] = {0, 0, 0, 1, d.cell == 16 ? H264[idr] : HEVC[idr], 1, 0x80};
    return pwrite(to->fd, nal, sizeof nal, 0);
}

static void encode(struct job raw, struct job slot) {
    struct coded *to = &d.coded[slot.index];
    const uint8_t *now = (const uint8_t *)d.pointers[raw.index];
    int idr = !d.before || d.forced || d.since_idr >= d.interval;
    d.forced = 0, d.since_idr = idr ? 1 : d.since_idr + 1;
    junk(to->vectors, to->vector_bytes);
    if (!idr)
        estimate(now, to->vectors);
    if (!d.before)
        d.before = malloc((size_t)d.width * d.height);
    memcpy(d.before, now, (size_t)d.width * d.height);
    slot.bytes = write_stream(to, idr);
    slot.stamp = raw.stamp;
    push(d.coded_done, &d.codeds_done, slot);
}

/* Code what is there to be coded, as far as there are buffers to code into. */
static void work(void) {
    while (d.raw_on && d.coded_on && d.raws && d.codeds) {
        struct job raw = pop(d.raw, &d.raws);
        if (!raw.bytes) { /* the end: an empty coded buffer says so */
            struct job last = pop(d.coded_queue, &d.codeds);
            last.bytes = 0;
            push(d.coded_done, &d.codeds_done, last);
        } else if (d.taken++ != fake_drop_at) {
            encode(raw, pop(d.coded_queue, &d.codeds));
        }
        push(d.raw_done, &d.raws_done, raw);
    }
    pthread_cond_broadcast(&changed);
}

static int set_format(struct v4l2_format *f) {
    if (d.raw_count || d.coded_count)
        return refuse(EBUSY);
    if (f->type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) {
        d.width = f->fmt.pix_mp.width, d.height = f->fmt.pix_mp.height;
        d.cell = f->fmt.pix_mp.pixelformat == V4L2_PIX_FMT_H264 ? 16 : 32;
        d.room = f->fmt.pix_mp.plane_fmt[0].sizeimage;
        d.coded_set = 1;
        return 0;
    }
    if (!d.coded_set || f->fmt.pix_mp.pixelformat != V4L2_PIX_FMT_YUV420M || f->fmt.pix_mp.num_planes != 3)
        return refuse(EINVAL);
    d.raw_set = 1;
    return 0;
}

static int set_control(const struct v4l2_ext_control *c) {
    if (!d.raw_set)
        return refuse(EINVAL);
    if (c->id == V4L2_CID_MPEG_VIDEOENC_ENABLE_METADATA_MV) {
        if (d.raw_count || d.coded_count || fake_refuse_vectors)
            return refuse(EINVAL);
        d.vectors_on = c->value;
    } else if (c->id == V4L2_CID_MPEG_VIDEO_IDR_INTERVAL) {
        d.interval = c->value;
    } else if (c->id == V4L2_CID_MPEG_MFC51_VIDEO_FORCE_FRAME_TYPE) {
        d.forced = c->value;
    }
    return 0;
}

static int get_control(const struct v4l2_ext_control *c) {
    v4l2_ctrl_video_metadata *m = (v4l2_ctrl_video_metadata *)c->string;
    if (c->id != V4L2_CID_MPEG_VIDEOENC_METADATA_MV || !d.vectors_on)
        return refuse(EINVAL);
    struct coded *of = &d.coded[m->buffer_index];
    if (m->buffer_index >= d.coded_count || of->queued || d.given - 1 == fake_no_vectors_at)
        return refuse(EINVAL); /* the values are good only until the buffer is queued again */
    m->VideoEncMetadataMV->pMVInfo = of->vectors;
    m->VideoEncMetadataMV->bufSize = of->vector_bytes - fake_short;
    return 0;
}

static int request(struct v4l2_requestbuffers *r) {
    if (!d.raw_set || !d.vectors_on)
        return refuse(EINVAL);
    r->count += r->type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE ? 2 : 0; /* as drivers may */
    if (r->type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE) {
        d.raw_count = r->count;
        return r->memory == V4L2_MEMORY_USERPTR ? 0 : refuse(EINVAL);
    }
    size_t cells = (size_t)((d.width + d.cell - 1) / d.cell) * ((d.height + d.cell - 1) / d.cell);
    for (d.coded_count = 0; d.coded_count < r->count; d.coded_count++) {
        struct coded *c = &d.coded[d.coded_count];
        c->fd = memfd_create("coded", 0), c->room = d.room, c->queued = 0;
        if (ftruncate(c->fd, c->room))
            return -1;
        c->vector_bytes = cells * sizeof(MVInfo) + fake_padding;
        c->vectors = calloc(1, c->vector_bytes);
    }
    return 0;
}

static int queue(const struct v4l2_buffer *b) {
    struct job job = {.index = b->index, .stamp = b->timestamp};
    if (b->type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE) {
        if (b->index >= d.raw_count || b->length != 3 || !(b->flags & V4L2_BUF_FLAG_TIMESTAMP_COPY))
            return refuse(EINVAL);
        job.bytes = b->m.planes[0].bytesused;
        d.pointers[b->index] = b->m.planes[0].m.userptr;
        push(d.raw, &d.raws, job);
    } else {
        if (b->index >= d.coded_count || d.coded[b->index].queued)
            return refuse(EINVAL);
        d.coded[b->index].queued = 1;
        junk(d.coded[b->index].vectors, d.coded[b->index].vector_bytes);
        push(d.coded_queue, &d.codeds, job);
    }
    work();
    return 0;
}

static int dequeue(struct v4l2_buffer *b) {
    int raw = b->type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
    int *count = raw ? &d.raws_done : &d.codeds_done;
    while (!*count && (raw ? d.raw_on : d.coded_on) && !d.failed)
        pthread_cond_wait(&changed, &lock);
    if (!raw && d.given == fake_fail_at) {
        d.failed = 1;
        pthread_cond_broadcast(&changed);
    }
    if (!*count || d.failed)
        return refuse(EIO);
    struct job job = pop(raw ? d.raw_done : d.coded_done, count);
    b->index = raw ? job.index : job.index + fake_other_buffer;
    b->timestamp = job.stamp;
    if (!raw) {
        d.given++;
        d.coded[job.index].queued = 0;
        b->m.planes[0].bytesused = job.bytes;
        b->flags = job.bytes ? 0 : V4L2_BUF_FLAG_LAST;
    }
    return 0;
}

static int dispatch(unsigned long request_code, void *argument) {
    struct v4l2_ext_controls *controls = argument;
    struct v4l2_buffer *buffer = argument;
    struct v4l2_exportbuffer *exported = argument;
    int on = request_code == VIDIOC_STREAMON;
    switch (request_code) {
    case VIDIOC_S_FMT: return set_format(argument);
    case VIDIOC_S_PARM: return d.raw_set ? 0 : refuse(EINVAL);
    case VIDIOC_S_EXT_CTRLS: return set_control(controls->controls);
    case VIDIOC_G_EXT_CTRLS: return get_control(controls->controls);
    case VIDIOC_REQBUFS: return request(argument);
    case VIDIOC_QUERYBUF:
        buffer->m.planes[0].length = d.coded[buffer->index].room;
        return 0;
    case VIDIOC_EXPBUF:
        exported->fd = dup(d.coded[exported->index].fd);
        return exported->fd < 0 ? -1 : 0;
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        *(*(enum v4l2_buf_type *)argument == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE ? &d.raw_on : &d.coded_on) = on;
        work();
        return 0;
    case VIDIOC_QBUF: return queue(buffer);
    case VIDIOC_DQBUF: return dequeue(buffer);
    default: return refuse(ENOTTY);
    }
}

int fake_open(const char *path, int flags, ...) {
    int fd = open(path, flags);
    if (fd < 0)
        return -1;
    if (d.open) {
        close(fd);
        return refuse(EBUSY);
    }
    d.open = 1, d.interval = 30;
    fake_open_devices++;
    return fd;
}

int fake_ioctl(int fd, unsigned long request_code, ...) {
    va_list arguments;
    va_start(arguments, request_code);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    (void)fd;
    pthread_mutex_lock(&lock);
    int result = dispatch(request_code, argument);
    int code = errno;
    pthread_mutex_unlock(&lock);
    errno = code;
    return result;
}

int fake_close(int fd) {
    for (uint32_t i = 0; i < d.coded_count; i++) {
        close(d.coded[i].fd);
        free(d.coded[i].vectors);
    }
    free(d.before);
    memset(&d, 0, sizeof d);
    fake_open_devices--;
    return close(fd);
}
