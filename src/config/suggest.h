/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.h - what an unknown word may have meant.
 *
 * First the keys of the section, then those of others, then the words of HAProxy, nginx and Envoy.
 */
#ifndef CULVERT_CONFIG_SUGGEST_H
#define CULVERT_CONFIG_SUGGEST_H

#include <stddef.h>

#include "core/base.h"
#include "config/option_table.h"

/*
 * The whole message for an unknown key of a section, written "[listen web]" in `where`;
 * SECTION_KINDS and NULL: of no section. Returns `buffer`.
 */
const char *suggest_key(enum section_kind section, const char *where, const char *key, char *buffer,
                        size_t size);

/* The whole message for an unknown [type]. Returns `buffer`. */
const char *suggest_section(const char *type, char *buffer, size_t size);

/* "; did you mean 'WORD'?" with the one of `words`, separated by blanks, that is nearest to `word`;
   "" when none is near. Returns `buffer`. */
const char *suggest_word(const char *words, const char *word, char *buffer, size_t size);

#endif
