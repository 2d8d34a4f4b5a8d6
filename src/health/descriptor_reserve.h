/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptor_reserve.h - descriptors held for checks, so that sessions cannot take the last ones.
 *
 * One is given up for a socket that finds no number free, and taken again when the socket is gone.
 */
#ifndef CULVERT_HEALTH_DESCRIPTOR_RESERVE_H
#define CULVERT_HEALTH_DESCRIPTOR_RESERVE_H

#include <stdbool.h>

/* How many checks can go on at once in a process without a free descriptor. */
#define DESCRIPTOR_RESERVE_COUNT 8

struct descriptor_reserve {
    int fds[DESCRIPTOR_RESERVE_COUNT]; /* the first `count` are held */
    int count;
};

void descriptor_reserve_init(struct descriptor_reserve *reserve);
void descriptor_reserve_release(struct descriptor_reserve *reserve);

/* Takes as many as can be had. */
void descriptor_reserve_fill(struct descriptor_reserve *reserve);

/* Gives one up: false when there is none. */
bool descriptor_reserve_give(struct descriptor_reserve *reserve);

#endif
