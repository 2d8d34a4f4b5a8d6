/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ini_reader.h - the lines of an INI file: headers, keys and values with their places.
 *
 * The reader is the lexer and inih the splitter. Every line is checked here before inih sees it,
 * because inih by itself cuts long lines and names, knows no positions, and gives ':', indentation
 * and ';' meanings that this language does not have. Lexical rules:
 * docs/reference/configuration.md.
 */
#ifndef CULVERT_CONFIG_INI_READER_H
#define CULVERT_CONFIG_INI_READER_H

#include <stdbool.h>

#include "core/base.h"
#include "config/diagnostics.h"
#include "config/source_file.h"

/* The longest line, without its end. */
#define INI_LINE_MAX 4094

/* The longest name of a section. */
#define INI_NAME_MAX 32

/* Who is told what the file says. Strings are valid during the call only. */
struct ini_events {
    /* A header [type] (`name` is NULL) or [type name]. */
    void (*section)(void *user, const char *type, const char *name, const struct origin *origin);
    /*
     * key = value under the last header. `value` is trimmed and without its comment, but quotes,
     * escapes and variables are as written (config/value_text.h). `value_origin` is its place.
     */
    void (*assignment)(void *user, const char *key, const char *value, const struct origin *origin,
                       const struct origin *value_origin);
    void *user;
};

/*
 * Reads the whole file. Lines that break a rule are reported to `diagnostics` and passed over;
 * after a broken header so are all keys up to the next one.
 */
void ini_read(const struct source_file *file, const struct ini_events *events,
              struct diagnostics *diagnostics);

#endif
