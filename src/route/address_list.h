/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_list.h - the addresses of one list of the configuration, which may change while culvert
 * runs: what stands in a file can be read anew.
 *
 * Any thread may ask. Whoever read the list anew swaps the set; a look-up sees the old set or the
 * new one. Look-ups are made when a connection is accepted, never per byte.
 */
#ifndef CULVERT_ROUTE_ADDRESS_LIST_H
#define CULVERT_ROUTE_ADDRESS_LIST_H

#include <pthread.h>
#include <stdbool.h>

#include "core/base.h"
#include "net/addr.h"
#include "route/address_set.h"

struct address_list {
    pthread_rwlock_t lock; /* guards `set`; held for a look-up, or to swap a pointer */
    struct address_set *set;
};

/* Takes the set over. */
void address_list_init(struct address_list *list, struct address_set *set);
void address_list_release(struct address_list *list);

bool address_list_contains(struct address_list *list, const struct addr *addr);

/* Takes the new set over and frees the old one. */
void address_list_replace(struct address_list *list, struct address_set *set);

#endif
