/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h - an intrusive doubly linked list.
 *
 * A `struct list` is the head; each element embeds a `struct list_link`. A zeroed link is in no
 * list, and removing it is a no-op, so membership needs no flag beside it.
 */
#ifndef CULVERT_CORE_LIST_H
#define CULVERT_CORE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct list_link {
    struct list_link *previous;
    struct list_link *next;
};

/* The head is a link of the ring; list_init() makes it point at itself. */
struct list {
    struct list_link head;
};

static inline void list_init(struct list *list)
{
    list->head.previous = &list->head;
    list->head.next = &list->head;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_contains_link(const struct list_link *link)
{
    return link->next != NULL;
}

/* Puts the link, which must be in no list, before `place`; before the head it is the last. */
static inline void list_insert_before(struct list_link *place, struct list_link *link)
{
    assert(link->next == NULL);
    link->previous = place->previous;
    link->next = place;
    place->previous->next = link;
    place->previous = link;
}

static inline void list_append(struct list *list, struct list_link *link)
{
    list_insert_before(&list->head, link);
}

/* Removes the link from whatever list it is in; does nothing when it is in none. */
static inline void list_remove(struct list_link *link)
{
    if (link->next == NULL)
        return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->previous = NULL;
    link->next = NULL;
}

/* Takes the first link off, or returns NULL when the list is empty. */
static inline struct list_link *list_take_first(struct list *list)
{
    struct list_link *link = list->head.next;

    if (link == &list->head)
        return NULL;
    list_remove(link);
    return link;
}

/* Moves every element of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->head.next->previous = to->head.previous;
    to->head.previous->next = from->head.next;
    from->head.previous->next = &to->head;
    to->head.previous = from->head.previous;
    list_init(from);
}

#endif
