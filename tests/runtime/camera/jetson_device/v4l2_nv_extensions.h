/* Stands in for the header of the same name that a Jetson carries: the names that the shim uses, in the three
 * layouts of MVInfo that were documented (VECTOR_BYTES 4, 20 or 68). The control numbers are made up. */
#ifndef FAKE_V4L2_NV_EXTENSIONS_H
#define FAKE_V4L2_NV_EXTENSIONS_H
#include <linux/v4l2-controls.h>
#include <linux/videodev2.h>

#define V4L2_CID_MPEG_VIDEO_IDR_INTERVAL (V4L2_CID_MPEG_BASE + 901)
#define V4L2_CID_MPEG_VIDEOENC_INSERT_SPS_PPS_AT_IDR (V4L2_CID_MPEG_BASE + 902)
#define V4L2_CID_MPEG_VIDEOENC_NUM_BFRAMES (V4L2_CID_MPEG_BASE + 903)
#define V4L2_CID_MPEG_VIDEOENC_ENABLE_METADATA_MV (V4L2_CID_MPEG_BASE + 904)
#define V4L2_CID_MPEG_VIDEOENC_METADATA_MV (V4L2_CID_MPEG_BASE + 905)
#ifndef V4L2_PIX_FMT_H265
#define V4L2_PIX_FMT_H265 v4l2_fourcc('H', '2', '6', '5')
#endif

typedef struct {
    __s32 mv_x : 16;
    __s32 mv_y : 14;
    __u32 weight : 2;
#if VECTOR_BYTES == 20
    __u32 reserved[4];
#elif VECTOR_BYTES == 68
    __u8 reserved[64];
#elif VECTOR_BYTES != 4
#error "VECTOR_BYTES wants 4, 20 or 68"
#endif
} MVInfo;

typedef struct {
    __u32 bufSize;
    MVInfo *pMVInfo;
} v4l2_ctrl_videoenc_outputbuf_metadata_MV;

typedef struct {
    void *VideoEncMetadata;
    v4l2_ctrl_videoenc_outputbuf_metadata_MV *VideoEncMetadataMV;
    __u32 buffer_index;
} v4l2_ctrl_video_metadata;
#endif
