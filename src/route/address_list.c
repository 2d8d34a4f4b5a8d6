/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_list.c - a set behind a lock that readers share.
 */
#include "route/address_list.h"

#include <stddef.h>

void address_list_init(struct address_list *list, struct address_set *set)
{
    pthread_rwlockattr_t attributes;

    /* A stream of look-ups must not keep a new set waiting. */
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&list->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    list->set = set;
}

void address_list_release(struct address_list *list)
{
    address_set_destroy(list->set);
    list->set = NULL;
    pthread_rwlock_destroy(&list->lock);
}

bool address_list_contains(struct address_list *list, const struct addr *addr)
{
    bool is_in;

    pthread_rwlock_rdlock(&list->lock);
    is_in = address_set_contains(list->set, addr);
    pthread_rwlock_unlock(&list->lock);
    return is_in;
}

void address_list_replace(struct address_list *list, struct address_set *set)
{
    struct address_set *old;

    pthread_rwlock_wrlock(&list->lock);
    old = list->set;
    list->set = set;
    pthread_rwlock_unlock(&list->lock);
    address_set_destroy(old);
}
