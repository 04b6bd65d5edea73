/* What setup.c and pictures.c share: the encoder's state, and ioctls that tell what failed. */
#ifndef MAGNO_ENCODER_H
#define MAGNO_ENCODER_H
#define _GNU_SOURCE
#include "magno_jetson.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/videodev2.h>

#include "v4l2_nv_extensions.h" /* the device's own: control numbers and MVInfo differ from release to release */

#ifndef MAGNO_IOCTL /* NVIDIA's libv4l2 goes between us and the device */
#define MAGNO_OPEN v4l2_open
#define MAGNO_IOCTL v4l2_ioctl
#define MAGNO_CLOSE v4l2_close
#endif
int MAGNO_OPEN(const char *path, int flags, ...);
int MAGNO_IOCTL(int fd, unsigned long request, ...);
int MAGNO_CLOSE(int fd);

enum { BUFFERS = 6, MOST_BUFFERS = 32, PLANES = 3, MIN_STREAM_BYTES = 2 << 20, VECTOR_PADDING_BYTES = 4096 };
/* In V4L2's words the raw side of an encoder is its output, and the coded one its capture. */
#define RAW V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
#define CODED V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE

struct mapping {
    void *start;
    size_t bytes;
};

struct magno_encoder {
    int fd, codec, width, height;
    int streaming, finished;
    uint32_t raw_count, raw_queued; /* raw buffers that there are, and how many were ever queued, up to raw_count */
    uint8_t *raw[MOST_BUFFERS];          /* YUV420M: luma, Cb and Cr one after another */
    uint32_t coded_count;
    struct mapping coded[MOST_BUFFERS];
    uint8_t *stream;
    size_t stream_room;
    int16_t *xy;
    uint8_t *weight;
    int columns, rows;
};

/* Write the sentence for an errno; -1. */
int magno_fail(char *error, const char *wanted, int code);
/* An ioctl; -1, and a sentence, when the device refuses. */
int magno_call(struct magno_encoder *encoder, unsigned long request, void *argument, const char *wanted, char *error);
int magno_control(struct magno_encoder *encoder, uint32_t id, int32_t value, const char *wanted, char *error);
int magno_queue_coded(struct magno_encoder *encoder, uint32_t index, char *error);
size_t magno_luma_bytes(const struct magno_encoder *encoder);

#endif
