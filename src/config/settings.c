/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.c - storing values, and which of several counts.
 */
#include "config/settings.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"

bool settings_init(struct settings *settings)
{
    struct diagnostics diagnostics = {0};
    struct source_files files = {0};
    struct origin origin = {0};
    bool is_good = true;

    memset(settings, 0, sizeof(*settings));
    for (size_t i = 0; i < OPTION_COUNT && is_good; i++) {
        const struct option *option = &option_table[i];
        struct value_text text = {0};

        if (option->fallback == NULL)
            continue;
        is_good =
            value_text_read(&text, option->fallback, &origin, &diagnostics) &&
            value_parse(option, &text, &origin, &files, &settings->fallbacks[i], &diagnostics);
        value_text_release(&text);
    }
    /* A default the table itself does not take would be our fault, not the machine's. */
    assert(is_good || diagnostics.is_out_of_memory);
    diagnostics_release(&diagnostics);
    source_files_release(&files);
    return is_good;
}

static void section_destroy(struct section *section)
{
    for (size_t i = 0; section->values != NULL && i < section->count; i++)
        setting_clear(&section->values[i]);
    free(section->values);
    free(section->name);
    free(section);
}

void settings_release(struct settings *settings)
{
    for (size_t kind = 0; kind < SECTION_KINDS; kind++) {
        struct section *section;
        struct section *next;

        HASH_ITER(hh, settings->sections[kind], section, next)
        {
            HASH_DEL(settings->sections[kind], section);
            section_destroy(section);
        }
    }
    for (size_t i = 0; i < OPTION_COUNT; i++)
        setting_clear(&settings->fallbacks[i]);
}

struct section *settings_find(const struct settings *settings, enum section_kind kind,
                              const char *name)
{
    struct section *section;

    HASH_FIND_STR(settings->sections[kind], name, section);
    return section;
}

struct section *settings_first(const struct settings *settings, enum section_kind kind)
{
    return settings->sections[kind];
}

struct section *section_next(const struct section *section)
{
    return section->hh.next;
}

size_t settings_count(const struct settings *settings, enum section_kind kind)
{
    return HASH_COUNT(settings->sections[kind]);
}

struct section *settings_add(struct settings *settings, enum section_kind kind, const char *name,
                             const struct origin *origin)
{
    struct section *section = calloc(1, sizeof(*section));

    if (section == NULL)
        return NULL;
    section->kind = kind;
    section->origin = *origin;
    section->file = origin->file;
    section->number = HASH_COUNT(settings->sections[kind]);
    section_options(kind, &section->first, &section->count);
    if (kind == SECTION_DEFAULTS) {
        section->first = LISTEN_BIND;
        section->count = OPTION_COUNT - LISTEN_BIND;
    }
    section->values = calloc(section->count, sizeof(*section->values));
    section->name = strdup(name);
    if (section->values == NULL || section->name == NULL) {
        section_destroy(section);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, settings->sections[kind], section->name, strlen(section->name), section);
    if (section->hh.tbl == NULL) {
        section_destroy(section);
        return NULL;
    }
    return section;
}

const char *section_text(const struct section *section, char *buffer, size_t size)
{
    bool has_name = section->name[0] != '\0';

    snprintf(buffer, size, "[%s%s%s]", section_table[section->kind].word, has_name ? " " : "",
             section->name);
    return buffer;
}

struct section *settings_open(struct settings *settings, const char *type, const char *name,
                              const struct origin *origin, struct diagnostics *diagnostics)
{
    enum section_kind kind = section_kind_of(type);
    char buffer[512];

    if (kind == SECTION_KINDS) {
        diagnostics_error(diagnostics, TOPIC_SECTION, origin, "%s",
                          suggest_section(type, buffer, sizeof(buffer)));
        return NULL;
    }
    const struct section_info *info = &section_table[kind];
    if (info->is_later) {
        diagnostics_error(diagnostics, TOPIC_LATER, origin, "[%s] is not available in this version",
                          info->word);
        return NULL;
    }
    if (info->has_name && name == NULL) {
        diagnostics_error(diagnostics, TOPIC_SECTION, origin, "[%s] needs a name: [%s NAME]",
                          info->word, info->word);
        return NULL;
    }
    if (!info->has_name && name != NULL) {
        diagnostics_error(diagnostics, TOPIC_SECTION, origin,
                          "there is one [%s] at most, and it has no name", info->word);
        return NULL;
    }
    struct section *section = settings_find(settings, kind, name == NULL ? "" : name);
    if (section == NULL) {
        section = settings_add(settings, kind, name == NULL ? "" : name, origin);
        if (section == NULL)
            (void)diagnostics_out_of_memory(diagnostics);
        return section;
    }
    if (section->file == origin->file) {
        char text[SECTION_TEXT_BYTES];

        diagnostics_error(diagnostics, TOPIC_TWICE, origin, "%s is there twice (first at %s)",
                          section_text(section, text, sizeof(text)),
                          origin_text(&section->origin, buffer, sizeof(buffer)));
    }
    section->file = origin->file;
    return section;
}

struct setting *section_value(const struct section *section, enum option_id option)
{
    assert(option >= section->first && option < section->first + section->count);
    return &section->values[option - section->first];
}

/* Gives one option its value. */
static bool assign_option(struct section *section, const struct option *option,
                          const struct value_text *text, const struct origin *origin,
                          const struct origin *value_origin, struct source_files *files,
                          struct diagnostics *diagnostics)
{
    struct setting *setting = section_value(section, option_id_of(option));
    bool is_same_file = setting->is_set && setting->file == origin->file;
    bool is_override = origin->file->is_command_line;
    char place[512];

    if (!option->is_list && is_same_file && !is_override) {
        diagnostics_error(diagnostics, TOPIC_TWICE, origin, "'%s' is set twice (first at %s)",
                          option->key, origin_text(&setting->origin, place, sizeof(place)));
        return false;
    }
    bool is_cleared = option->is_list && text->length == 0;
    if (!option->is_list || is_cleared || (is_override && !is_same_file))
        setting_clear(setting);
    setting->is_set = true;
    setting->origin = *origin;
    setting->file = origin->file;
    return is_cleared || value_parse(option, text, value_origin, files, setting, diagnostics);
}

/* The options that a key of a section stands for: two at most, in [defaults]. */
static unsigned options_of(const struct section *section, const char *key,
                           const struct option *options[2])
{
    unsigned count = 0;

    if (section->kind != SECTION_DEFAULTS) {
        options[0] = option_find(section->kind, key);
        return options[0] == NULL ? 0 : 1;
    }
    options[count] = option_find(SECTION_LISTEN, key);
    count += options[count] != NULL && options[count]->in_defaults;
    options[count] = option_find(SECTION_POOL, key);
    count += options[count] != NULL && options[count]->in_defaults;
    return count;
}

void settings_assign(struct section *section, const char *key, const char *value,
                     const struct origin *origin, const struct origin *value_origin,
                     struct source_files *files, struct diagnostics *diagnostics)
{
    const struct option *options[2];
    unsigned count = options_of(section, key, options);
    struct value_text text = {0};
    char where[SECTION_TEXT_BYTES];
    char message[512];

    if (count == 0) {
        section->has_unknown_key = true;
        section_text(section, where, sizeof(where));
        if (diagnostics_is_full(diagnostics))
            snprintf(message, sizeof(message), "unknown key '%s' in %s", key, where);
        else
            suggest_key(section->kind, where, key, message, sizeof(message));
        diagnostics_error(diagnostics, TOPIC_KEY, origin, "%s", message);
        return;
    }
    bool is_good = value_text_read(&text, value, value_origin, diagnostics);
    /* A value that cannot be read is wrong, not missing. */
    for (unsigned i = 0; i < count && !is_good; i++)
        section_value(section, option_id_of(options[i]))->is_set = true;
    if (is_good && options[0]->is_later) {
        if (!value_is_nothing(&text))
            diagnostics_error(diagnostics, TOPIC_LATER, origin,
                              "'%s' is not available in this version", key);
        is_good = false;
    }
    for (unsigned i = 0; i < count && is_good; i++)
        is_good =
            assign_option(section, options[i], &text, origin, value_origin, files, diagnostics);
    value_text_release(&text);
}

/* Whether it counts: an empty list does, a scalar whose value was wrong does not. */
static bool counts(const struct setting *setting, enum option_id option)
{
    return setting->is_set && (setting->count > 0 || option_table[option].is_list);
}

const struct setting *settings_get(const struct settings *settings, const struct section *section,
                                   enum option_id option)
{
    const struct section *defaults = settings->sections[SECTION_DEFAULTS];

    if (section != NULL && counts(section_value(section, option), option))
        return section_value(section, option);
    if (defaults != NULL && option_table[option].in_defaults &&
        counts(section_value(defaults, option), option))
        return section_value(defaults, option);
    return &settings->fallbacks[option];
}

bool settings_has(const struct settings *settings, const struct section *section,
                  enum option_id option)
{
    return settings_get(settings, section, option)->count > 0;
}

const struct item *settings_item(const struct settings *settings, const struct section *section,
                                 enum option_id option)
{
    const struct setting *setting = settings_get(settings, section, option);

    return setting->count > 0 ? &setting->items[0] : NULL;
}

int64_t settings_number(const struct settings *settings, const struct section *section,
                        enum option_id option)
{
    const struct item *item = settings_item(settings, section, option);

    return item == NULL ? 0 : item->number;
}

int64_t settings_ms(const struct settings *settings, const struct section *section,
                    enum option_id option)
{
    /* Rounded up: a duration that is not off must not become 0, which is. */
    return (settings_number(settings, section, option) + 999) / 1000;
}

int settings_word(const struct settings *settings, const struct section *section,
                  enum option_id option)
{
    const struct item *item = settings_item(settings, section, option);

    return item == NULL ? -1 : item->word;
}

const char *settings_text(const struct settings *settings, const struct section *section,
                          enum option_id option)
{
    const struct item *item = settings_item(settings, section, option);

    return item == NULL ? NULL : item->text;
}
