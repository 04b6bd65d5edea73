/* Runs the shim against the device of device.c from its opening to its end, well and badly; for the sanitizers. */
#include <stdio.h>
#include <stdlib.h>

#include "magno_jetson.h"

extern int fake_fail_at, fake_short, fake_refuse_vectors, fake_open_devices, fake_other_buffer;

static const char DEVICE[] = "/dev/null";
enum { WIDTH = 98, HEIGHT = 50, PICTURES = 20 };

/* Pictures taken before the end (0) or an error (-1). */
static int run(int codec, int *ended) {
    char error[MAGNO_ERROR_BYTES];
    struct magno_options options = {DEVICE, codec, WIDTH, HEIGHT, 30, 1, 1000000, 8};
    struct magno_picture picture;
    uint8_t *nv12 = calloc(1, WIDTH * HEIGHT * 3 / 2);
    struct magno_encoder *encoder = magno_open(&options, error);
    int taken = 0;
    *ended = -1;
    for (int i = 0; encoder && i < PICTURES; i++) {
        if (magno_put(encoder, nv12, i * 40000, error) < 0 || (*ended = magno_take(encoder, &picture, error)) < 1)
            break;
        taken += picture.pts_us == i * 40000 && picture.stream_bytes > 0;
    }
    if (*ended == 1 && magno_finish(encoder, error) == 0)
        *ended = magno_take(encoder, &picture, error);
    if (*ended < 0)
        printf("%s\n", error);
    magno_close(encoder);
    free(nv12);
    return taken;
}

int main(void) {
    int ended, wrong = 0;
    for (int codec = 0; codec < 2; codec++)
        wrong += run(codec, &ended) != PICTURES || ended != 0;
    fake_fail_at = 5;
    wrong += run(0, &ended) != 5 || ended != -1;
    fake_fail_at = -1, fake_other_buffer = 50;
    wrong += run(0, &ended) != 0 || ended != -1;
    fake_other_buffer = 0, fake_refuse_vectors = 1;
    wrong += run(0, &ended) != 0 || ended != -1;
    fake_refuse_vectors = 0, fake_short = 100000;
    wrong += run(1, &ended) != PICTURES || ended != 0;
    fake_short = 0;
    return wrong + fake_open_devices;
}
