/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.h - the typed values of a key.
 *
 * A setting is what one key of one section holds: a list of items, of which a scalar has one. Each
 * item keeps its canonical text, for the dump, and its place, for messages.
 *
 *   bool      yes no on off true false
 *   integer   decimal digits
 *   duration  250us 250ms 2.5s 30s 5m 1h 1d 1m30s; 0 or off = never; a bare number is refused
 *   size      4096 64k 1m 2g, also KiB MiB GiB; 1024-based
 *   percent   10%
 *   rate      100/s 2k/s 1m/s; off; k and m are 1024-based for bytes, else 1000-based
 *   mode      0600: octal digits
 *   text      bare to the end of the line, or in double quotes
 *   path      relative to the file it stands in
 *   address   host:port  :port  *:port  [v6]:port  unix:/path  unix:@name
 *   IP address  10.0.0.1  ::1  fe80::1%2; without a port
 *   server    [NAME] ADDRESS [weight=N] [backup] [disabled] [drain] [max_connections=N]
 *             [health_port=N] [server_name=HOST]; the address may also be builtin:echo,
 *             builtin:discard, builtin:chargen, original
 *   prefix    10.0.0.0/8  ::1  @file
 *   bytes     text in double quotes that may hold any byte; its canonical text keeps escapes
 *             (value_bytes.h)
 *   range     200  200-399
 *   name of   the name of a section; some keys also take a path instead, which has a slash or
 *             ends in .pem
 *   host name, protocol, pattern for a certificate: see value_tls.h
 */
#ifndef CULVERT_CONFIG_VALUE_H
#define CULVERT_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "net/addr.h"
#include "config/diagnostics.h"
#include "config/endpoint.h"
#include "config/option_table.h"
#include "config/prefix_text.h"
#include "config/source_file.h"
#include "config/value_text.h"

/* Longest duration, in microseconds: ten years. */
#define VALUE_DURATION_MAX ((int64_t)3650 * 86400 * 1000000)

struct item {
    struct origin origin;
    char *text;                /* canonical, as the dump shows it; owned */
    int word;                  /* index into the option's words when it is one of those, else -1 */
    int64_t number;            /* bool, integer, size, mode, percent; duration in microseconds */
    int64_t last;              /* VALUE_RANGE: from `number` to this */
    bool is_percent;           /* `number` is a percentage of something */
    struct endpoint *endpoint; /* VALUE_ADDR, VALUE_IP, VALUE_SERVER; owned */
    struct prefix_array prefixes; /* VALUE_PREFIX; owned */
    uint64_t stamp;               /* of the file that they stand in, from before it was read */
    struct sni_map *sni_map;      /* VALUE_SNI_MAP; owned */
};

/* What a key holds. A zeroed struct is one that is not set. */
struct setting {
    struct item *items;
    size_t count;
    size_t capacity;
    bool is_set;                    /* written somewhere; an empty list counts */
    struct origin origin;           /* of the key, where it was set last */
    const struct source_file *file; /* the last file that set it */
};

/*
 * Adds what the text says to the setting: one item, or several when the option is a list. False
 * after a report to `diagnostics`; the setting then holds what was good. `origin` is the place of
 * the value; `files` keeps files named by @file.
 */
bool value_parse(const struct option *option, const struct value_text *text,
                 const struct origin *origin, struct source_files *files, struct setting *setting,
                 struct diagnostics *diagnostics);

/* Whether the text asks a feature for nothing: empty, off, no, none or 0. */
bool value_is_nothing(const struct value_text *text);

/* Whether the item of a VALUE_REF is a path, absolute by now, and not the name of a section. */
static inline bool item_is_path(const struct item *item)
{
    return item->text[0] == '/';
}

void setting_clear(struct setting *setting);

#endif
