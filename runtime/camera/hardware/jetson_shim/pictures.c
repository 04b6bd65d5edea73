/* Raw pictures in; coded pictures and their vectors out. */
#include "encoder.h"

/* A raw buffer that the encoder does not hold: one never used yet, else the next it gives back. */
static int free_raw(struct magno_encoder *e, uint32_t *index, char *error) {
    if (e->raw_queued < e->raw_count) {
        *index = e->raw_queued++;
        return 0;
    }
    struct v4l2_plane planes[PLANES] = {{0}};
    struct v4l2_buffer buffer = {.type = RAW, .memory = V4L2_MEMORY_USERPTR, .length = PLANES};
    buffer.m.planes = planes;
    if (magno_call(e, VIDIOC_DQBUF, &buffer, "a raw buffer back", error) < 0)
        return -1;
    if (buffer.index >= e->raw_count)
        return magno_fail(error, "a raw buffer of its own", ERANGE);
    *index = buffer.index;
    return 0;
}

static int queue_raw(struct magno_encoder *e, uint32_t index, int64_t pts_us, int empty, char *error) {
    size_t luma = magno_luma_bytes(e), sizes[PLANES] = {luma, luma / 4, luma / 4};
    struct v4l2_plane planes[PLANES] = {{0}};
    struct v4l2_buffer buffer = {.type = RAW, .memory = V4L2_MEMORY_USERPTR, .index = index, .length = PLANES};
    uint8_t *place = e->raw[index];
    buffer.m.planes = planes;
    buffer.flags = V4L2_BUF_FLAG_TIMESTAMP_COPY; /* the coded picture will carry it: that is how they are matched */
    buffer.timestamp.tv_sec = pts_us / 1000000;
    buffer.timestamp.tv_usec = pts_us % 1000000;
    for (int i = 0; i < PLANES; place += sizes[i++]) {
        planes[i].m.userptr = (unsigned long)place;
        planes[i].length = sizes[i];
        planes[i].bytesused = empty ? 0 : sizes[i]; /* an empty picture says: the end */
    }
    return magno_call(e, VIDIOC_QBUF, &buffer, "a raw picture taken", error);
}

int magno_put(struct magno_encoder *e, const uint8_t *nv12, int64_t pts_us, char *error) {
    uint32_t index;
    size_t luma = magno_luma_bytes(e);
    error[0] = 0;
    if (e->finished || pts_us < 0)
        return magno_fail(error, "pictures before its end, and times from 0 on", EINVAL);
    if (free_raw(e, &index, error) < 0)
        return -1;
    uint8_t *cb = e->raw[index] + luma, *cr = cb + luma / 4;
    memcpy(e->raw[index], nv12, luma);
    for (size_t i = 0; i < luma / 4; i++) {
        cb[i] = nv12[luma + 2 * i];
        cr[i] = nv12[luma + 2 * i + 1];
    }
    return queue_raw(e, index, pts_us, 0, error);
}

int magno_finish(struct magno_encoder *e, char *error) {
    uint32_t index;
    error[0] = 0;
    if (e->finished)
        return 0;
    if (free_raw(e, &index, error) < 0 || queue_raw(e, index, 0, 1, error) < 0)
        return -1;
    e->finished = 1;
    return 0;
}

/* The vectors of a coded buffer, while it is ours. Returns -1, with a sentence, when there are none to trust. */
static int read_vectors(struct magno_encoder *e, uint32_t index, char *error) {
    v4l2_ctrl_videoenc_outputbuf_metadata_MV vectors = {0};
    v4l2_ctrl_video_metadata metadata = {0};
    struct v4l2_ext_control one = {.id = V4L2_CID_MPEG_VIDEOENC_METADATA_MV};
    struct v4l2_ext_controls all = {.ctrl_class = V4L2_CTRL_CLASS_MPEG, .count = 1, .controls = &one};
    size_t cells = (size_t)e->columns * e->rows, needed = cells * sizeof(MVInfo);
    metadata.buffer_index = index;
    metadata.VideoEncMetadataMV = &vectors;
    one.string = (char *)&metadata;
    if (magno_call(e, VIDIOC_G_EXT_CTRLS, &all, "the motion vectors of a picture", error) < 0)
        return -1;
    /* Far more than needed is as bad as less: a driver whose MVInfo is longer than this header's. */
    if (!vectors.pMVInfo || vectors.bufSize < needed || vectors.bufSize > needed + needed / 2 + VECTOR_PADDING_BYTES) {
        snprintf(error, MAGNO_ERROR_BYTES,
                 "The encoder wanted %zu bytes of motion vectors (%zu of %zu bytes each) and little more, found %u; "
                 "build the shim again, against this device's header.",
                 needed, cells, sizeof(MVInfo), vectors.pMVInfo ? (unsigned)vectors.bufSize : 0u);
        return -1;
    }
    for (size_t i = 0; i < cells; i++) {
        e->xy[2 * i] = vectors.pMVInfo[i].mv_x;
        e->xy[2 * i + 1] = vectors.pMVInfo[i].mv_y; /* 14 bits, signed: the compiler extends them */
        e->weight[i] = vectors.pMVInfo[i].weight;
    }
    return 0;
}

static int copy_stream(struct magno_encoder *e, uint32_t index, const struct v4l2_plane *plane, char *error) {
    const struct mapping *from = &e->coded[index];
    size_t bytes = plane->bytesused, skipped = plane->data_offset;
    if (bytes > from->bytes || skipped > bytes)
        return magno_fail(error, "a coded picture that fits its buffer", ERANGE);
    bytes -= skipped;
    if (bytes > e->stream_room) {
        uint8_t *larger = realloc(e->stream, bytes);
        if (!larger)
            return magno_fail(error, "memory for a coded picture", ENOMEM);
        e->stream = larger, e->stream_room = bytes;
    }
    if (bytes)
        memcpy(e->stream, (const uint8_t *)from->start + skipped, bytes);
    return 0;
}

int magno_take(struct magno_encoder *e, struct magno_picture *picture, char *error) {
    struct v4l2_plane plane = {0};
    struct v4l2_buffer buffer = {.type = CODED, .memory = V4L2_MEMORY_MMAP, .length = 1};
    char queueing[MAGNO_ERROR_BYTES];
    buffer.m.planes = &plane;
    error[0] = 0;
    memset(picture, 0, sizeof *picture);
    if (magno_call(e, VIDIOC_DQBUF, &buffer, "a coded picture", error) < 0)
        return -1;
    if (buffer.index >= e->coded_count)
        return magno_fail(error, "a coded buffer of its own", ERANGE);
    if (plane.bytesused == 0) /* what follows the last picture */
        return 0;
    if (copy_stream(e, buffer.index, &plane, error) < 0)
        return -1;
    int known = read_vectors(e, buffer.index, error) == 0;
    if (magno_queue_coded(e, buffer.index, queueing) < 0) {
        memcpy(error, queueing, sizeof queueing);
        return -1;
    }
    picture->stream = e->stream;
    picture->stream_bytes = plane.bytesused - plane.data_offset;
    picture->pts_us = (int64_t)buffer.timestamp.tv_sec * 1000000 + buffer.timestamp.tv_usec;
    picture->xy = known ? e->xy : NULL;
    picture->weight = known ? e->weight : NULL;
    picture->columns = e->columns, picture->rows = e->rows, picture->cells = e->columns * e->rows;
    return 1;
}

int magno_force_idr(struct magno_encoder *e, char *error) {
    error[0] = 0;
    return magno_control(e, V4L2_CID_MPEG_MFC51_VIDEO_FORCE_FRAME_TYPE, 1, "its next picture an IDR", error);
}

