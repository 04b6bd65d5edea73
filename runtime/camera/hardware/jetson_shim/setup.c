/* Opening and closing: formats (coded, then raw), controls, buffers, both sides on, coded buffers queued; in the
 * order that NVIDIA documents for its encoder. */
#include "encoder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int magno_fail(char *error, const char *wanted, int code) {
    snprintf(error, MAGNO_ERROR_BYTES, "The encoder wanted %s, found: %s.", wanted, strerror(code));
    return -1;
}

int magno_call(struct magno_encoder *e, unsigned long request, void *argument, const char *wanted, char *error) {
    int result;
    do {
        result = MAGNO_IOCTL(e->fd, request, argument);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? magno_fail(error, wanted, errno) : 0;
}

int magno_control(struct magno_encoder *e, uint32_t id, int32_t value, const char *wanted, char *error) {
    struct v4l2_ext_control one = {.id = id, .value = value};
    struct v4l2_ext_controls all = {.ctrl_class = V4L2_CTRL_CLASS_MPEG, .count = 1, .controls = &one};
    return magno_call(e, VIDIOC_S_EXT_CTRLS, &all, wanted, error);
}

size_t magno_luma_bytes(const struct magno_encoder *e) { return (size_t)e->width * e->height; }

static int set_formats(struct magno_encoder *e, char *error) {
    struct v4l2_format format = {.type = CODED};
    size_t raw_bytes = magno_luma_bytes(e) * 3 / 2;
    format.fmt.pix_mp.pixelformat = e->codec == MAGNO_H264 ? V4L2_PIX_FMT_H264 : V4L2_PIX_FMT_H265;
    format.fmt.pix_mp.width = e->width;
    format.fmt.pix_mp.height = e->height;
    format.fmt.pix_mp.num_planes = 1;
    format.fmt.pix_mp.plane_fmt[0].sizeimage = raw_bytes > MIN_STREAM_BYTES ? raw_bytes : MIN_STREAM_BYTES;
    if (magno_call(e, VIDIOC_S_FMT, &format, "its coded format set", error) < 0)
        return -1;
    memset(&format, 0, sizeof format);
    format.type = RAW;
    format.fmt.pix_mp.pixelformat = V4L2_PIX_FMT_YUV420M;
    format.fmt.pix_mp.width = e->width;
    format.fmt.pix_mp.height = e->height;
    format.fmt.pix_mp.num_planes = PLANES;
    return magno_call(e, VIDIOC_S_FMT, &format, "its raw format set", error);
}

static int set_controls(struct magno_encoder *e, const struct magno_options *o, char *error) {
    char ignored[MAGNO_ERROR_BYTES];
    struct v4l2_streamparm rate = {.type = RAW};
    rate.parm.output.timeperframe.numerator = o->rate_den;
    rate.parm.output.timeperframe.denominator = o->rate_num;
    if (magno_call(e, VIDIOC_S_PARM, &rate, "its rate set", error) < 0)
        return -1;
    if (magno_control(e, V4L2_CID_MPEG_VIDEO_BITRATE, o->bitrate, "its bit rate set", error) < 0 ||
        magno_control(e, V4L2_CID_MPEG_VIDEO_GOP_SIZE, o->idr_interval, "its GOP set", error) < 0 ||
        magno_control(e, V4L2_CID_MPEG_VIDEO_IDR_INTERVAL, o->idr_interval, "its IDR interval set", error) < 0 ||
        magno_control(e, V4L2_CID_MPEG_VIDEOENC_INSERT_SPS_PPS_AT_IDR, 1, "parameter sets at each IDR", error) < 0)
        return -1;
    /* Without B-pictures is also the default, and all that HEVC and older chips can. */
    if (e->codec == MAGNO_H264)
        magno_control(e, V4L2_CID_MPEG_VIDEOENC_NUM_BFRAMES, 0, "no B-pictures", ignored);
    return magno_control(e, V4L2_CID_MPEG_VIDEOENC_ENABLE_METADATA_MV, 1, "its motion vectors reported", error);
}

static int request_buffers(struct magno_encoder *e, uint32_t type, uint32_t memory, uint32_t *count, char *error) {
    struct v4l2_requestbuffers request = {.count = BUFFERS, .type = type, .memory = memory};
    if (magno_call(e, VIDIOC_REQBUFS, &request, "buffers", error) < 0)
        return -1;
    if (request.count == 0 || request.count > MOST_BUFFERS) /* a driver may give more than it was asked for */
        return magno_fail(error, "a few buffers", ENOMEM);
    *count = request.count;
    return 0;
}

static int map_coded(struct magno_encoder *e, uint32_t index, char *error) {
    struct v4l2_plane plane = {0};
    struct v4l2_buffer buffer = {.type = CODED, .memory = V4L2_MEMORY_MMAP, .index = index};
    struct v4l2_exportbuffer exported = {.type = CODED, .index = index};
    buffer.m.planes = &plane;
    buffer.length = 1;
    if (magno_call(e, VIDIOC_QUERYBUF, &buffer, "its coded buffers described", error) < 0 ||
        magno_call(e, VIDIOC_EXPBUF, &exported, "its coded buffers shared", error) < 0)
        return -1;
    void *start = mmap(NULL, plane.length, PROT_READ | PROT_WRITE, MAP_SHARED, exported.fd, plane.m.mem_offset);
    int code = errno;
    close(exported.fd);
    if (start == MAP_FAILED)
        return magno_fail(error, "its coded buffers mapped", code);
    e->coded[index] = (struct mapping){start, plane.length};
    return 0;
}

int magno_queue_coded(struct magno_encoder *e, uint32_t index, char *error) {
    struct v4l2_plane plane = {0};
    struct v4l2_buffer buffer = {.type = CODED, .memory = V4L2_MEMORY_MMAP, .index = index, .length = 1};
    buffer.m.planes = &plane;
    return magno_call(e, VIDIOC_QBUF, &buffer, "a coded buffer back", error);
}

static int start(struct magno_encoder *e, char *error) {
    enum v4l2_buf_type raw = RAW, coded = CODED;
    if (request_buffers(e, RAW, V4L2_MEMORY_USERPTR, &e->raw_count, error) < 0 ||
        request_buffers(e, CODED, V4L2_MEMORY_MMAP, &e->coded_count, error) < 0)
        return -1;
    for (uint32_t i = 0; i < e->raw_count; i++)
        if (!(e->raw[i] = malloc(magno_luma_bytes(e) * 3 / 2)))
            return magno_fail(error, "memory for raw pictures", ENOMEM);
    for (uint32_t i = 0; i < e->coded_count; i++)
        if (map_coded(e, i, error) < 0)
            return -1;
    if (magno_call(e, VIDIOC_STREAMON, &raw, "its raw side started", error) < 0)
        return -1;
    e->streaming = 1;
    if (magno_call(e, VIDIOC_STREAMON, &coded, "its coded side started", error) < 0)
        return -1;
    for (uint32_t i = 0; i < e->coded_count; i++)
        if (magno_queue_coded(e, i, error) < 0)
            return -1;
    return 0;
}

struct magno_encoder *magno_open(const struct magno_options *o, char *error) {
    error[0] = 0;
    if (o->width < 2 || o->height < 2 || o->width % 2 || o->height % 2 || o->width > 8192 || o->height > 8192) {
        snprintf(error, MAGNO_ERROR_BYTES, "The encoder wants an even size up to 8192x8192, found %dx%d.",
                 o->width, o->height);
        return NULL;
    }
    struct magno_encoder *e = calloc(1, sizeof *e);
    if (!e) {
        magno_fail(error, "memory", ENOMEM);
        return NULL;
    }
    int cell = o->codec == MAGNO_H264 ? 16 : 32;
    e->codec = o->codec, e->width = o->width, e->height = o->height;
    e->columns = (o->width + cell - 1) / cell, e->rows = (o->height + cell - 1) / cell;
    e->xy = malloc((size_t)e->columns * e->rows * 2 * sizeof *e->xy);
    e->weight = malloc((size_t)e->columns * e->rows);
    e->fd = MAGNO_OPEN(o->device, O_RDWR | O_CLOEXEC);
    if (e->fd < 0)
        magno_fail(error, "its device opened", errno);
    else if (!e->xy || !e->weight)
        magno_fail(error, "memory for vectors", ENOMEM);
    else if (set_formats(e, error) == 0 && set_controls(e, o, error) == 0 && start(e, error) == 0)
        return e;
    magno_close(e);
    return NULL;
}

void magno_close(struct magno_encoder *e) {
    enum v4l2_buf_type raw = RAW, coded = CODED;
    char ignored[MAGNO_ERROR_BYTES];
    if (!e)
        return;
    if (e->streaming) {
        magno_call(e, VIDIOC_STREAMOFF, &raw, "", ignored);
        magno_call(e, VIDIOC_STREAMOFF, &coded, "", ignored);
    }
    for (int i = 0; i < MOST_BUFFERS; i++) {
        if (e->coded[i].start)
            munmap(e->coded[i].start, e->coded[i].bytes);
        free(e->raw[i]);
    }
    if (e->fd >= 0)
        MAGNO_CLOSE(e->fd);
    free(e->stream);
    free(e->xy);
    free(e->weight);
    free(e);
}

uint32_t magno_abi(void) { return MAGNO_JETSON_ABI; }

uint32_t magno_vector_bytes(void) { return sizeof(MVInfo); }
