/* One Jetson hardware encoder that hands over its motion vectors with every coded picture.
 *
 * Flat, so that ctypes can call it. One thread may put while another takes. Whatever fails writes one sentence
 * into the caller's `error` and returns -1 (open: NULL). */
#ifndef MAGNO_JETSON_H
#define MAGNO_JETSON_H

#include <stddef.h>
#include <stdint.h>

#define MAGNO_JETSON_ABI 1
#define MAGNO_ERROR_BYTES 256

enum magno_codec { MAGNO_H264 = 0, MAGNO_HEVC = 1 };

struct magno_options {
    const char *device; /* /dev/v4l2-nvenc, before JetPack 6 /dev/nvhost-msenc */
    int32_t codec;
    int32_t width, height; /* even */
    int32_t rate_num, rate_den;
    int32_t bitrate;      /* bits a second */
    int32_t idr_interval; /* pictures */
};

/* A coded picture. Its memory is the encoder's own copy: good until the next take. */
struct magno_picture {
    const uint8_t *stream; /* annex B */
    uint64_t stream_bytes;
    int64_t pts_us;
    const int16_t *xy;     /* `cells` pairs, raster order, in the device's own sign and unit; NULL: none came */
    const uint8_t *weight; /* `cells` numbers 0 to 3 */
    int32_t cells, columns, rows;
};

struct magno_encoder;

uint32_t magno_abi(void);
uint32_t magno_vector_bytes(void); /* sizeof(MVInfo) in the header this was compiled against */

struct magno_encoder *magno_open(const struct magno_options *options, char *error);
/* Hand over one NV12 picture, width * height * 3 / 2 bytes without padding. Waits for a free buffer. 0: taken. */
int magno_put(struct magno_encoder *encoder, const uint8_t *nv12, int64_t pts_us, char *error);
/* Nothing more will be put. */
int magno_finish(struct magno_encoder *encoder, char *error);
/* Wait for the next coded picture. 1: it came, with `error` telling why it has no vectors, if so; 0: the end. */
int magno_take(struct magno_encoder *encoder, struct magno_picture *picture, char *error);
/* The next picture put shall be an IDR. */
int magno_force_idr(struct magno_encoder *encoder, char *error);
void magno_close(struct magno_encoder *encoder);

#endif
