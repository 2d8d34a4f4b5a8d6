/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptor_reserve.c - numbers that stand for sockets to come.
 */
#include "health/descriptor_reserve.h"

#include <sys/eventfd.h>
#include <unistd.h>

void descriptor_reserve_init(struct descriptor_reserve *reserve)
{
    reserve->count = 0;
    descriptor_reserve_fill(reserve);
}

void descriptor_reserve_release(struct descriptor_reserve *reserve)
{
    while (descriptor_reserve_give(reserve))
        ;
}

void descriptor_reserve_fill(struct descriptor_reserve *reserve)
{
    while (reserve->count < DESCRIPTOR_RESERVE_COUNT) {
        int fd = eventfd(0, EFD_CLOEXEC);

        if (fd == -1)
            return;
        reserve->fds[reserve->count++] = fd;
    }
}

bool descriptor_reserve_give(struct descriptor_reserve *reserve)
{
    if (reserve->count == 0)
        return false;
    close(reserve->fds[--reserve->count]);
    return true;
}
