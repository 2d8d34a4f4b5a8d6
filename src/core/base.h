/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.h - the few macros every layer uses.
 */
#ifndef CULVERT_CORE_BASE_H
#define CULVERT_CORE_BASE_H

#include <stddef.h>

/* The caller must look at the result; see docs/contributing/coding-style.md, errors. */
#define CULVERT_MUST_CHECK __attribute__((warn_unused_result))

/* The compiler checks the arguments against the format, as for printf(3). */
#define CULVERT_PRINTF(format_index, first_argument)                                               \
    __attribute__((format(printf, format_index, first_argument)))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* From a pointer to a member to the struct that holds it. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* One writer's data is aligned to this, so that two threads never share a cache line. */
#define CACHE_LINE_BYTES 64

#endif
