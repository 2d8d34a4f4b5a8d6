/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.c - the effective configuration, each value with its origin.
 *
 * What is printed loads again to the same settings: variables are expanded, paths absolute, files
 * merged, and every value is quoted where its bytes would mean something else.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/config_parts.h"

struct dumper {
    const struct settings *settings;
    FILE *out;
    enum config_dump what;
};

/* ---- values -----------------------------------------------------------------------------------
 */

static bool needs_quotes(const struct option *option, const char *text)
{
    size_t length = strlen(text);

    if (option->type == VALUE_SERVER)
        return false; /* words without a byte that needs them, or refused */
    if (length == 0 || text[0] == ' ' || text[length - 1] == ' ')
        return true;
    return strpbrk(text, option->is_list ? "\"\\#;, \t" : "\"\\#;\t") != NULL;
}

static void print_value(const struct dumper *dumper, const struct option *option, const char *text)
{
    bool is_escaped = option->type == VALUE_BYTES; /* in its canonical text */
    bool is_quoted = is_escaped || needs_quotes(option, text);

    if (is_quoted)
        fputc('"', dumper->out);
    for (; *text != '\0'; text++) {
        if (is_quoted && !is_escaped && (*text == '"' || *text == '\\'))
            fputc('\\', dumper->out);
        if (*text == '$')
            fputc('$', dumper->out);
        fputc(*text, dumper->out);
    }
    if (is_quoted)
        fputc('"', dumper->out);
}

/* The origin as a comment. A file's name must not be able to end the line. */
static void print_origin(const struct dumper *dumper, const struct origin *origin,
                         bool is_inherited)
{
    fputs("  # ", dumper->out);
    if (origin->file == NULL) {
        fputs("default\n", dumper->out);
        return;
    }
    for (const char *name = origin->file->name; *name != '\0'; name++)
        fputc((unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name, dumper->out);
    fprintf(dumper->out, ":%u%s\n", origin->line, is_inherited ? " [defaults]" : "");
}

static void print_setting(const struct dumper *dumper, const struct option *option,
                          const struct setting *setting, bool is_inherited)
{
    if (setting->count == 0) {
        fprintf(dumper->out, "%s =", option->key);
        print_origin(dumper, &setting->origin, is_inherited);
    }
    for (size_t i = 0; i < setting->count; i++) {
        fprintf(dumper->out, "%s = ", option->key);
        print_value(dumper, option, setting->items[i].text);
        print_origin(dumper, &setting->items[i].origin, is_inherited);
    }
}

/* ---- which values -----------------------------------------------------------------------------
 */

static bool is_same(const struct setting *a, const struct setting *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct item *one = &a->items[i];
        const struct item *other = &b->items[i];

        if (one->word != other->word || one->number != other->number || one->last != other->last ||
            one->is_percent != other->is_percent)
            return false;
        /* 60s and 1m are the same; two texts without a number are not. */
        if (one->number == 0 && one->word < 0 && strcmp(one->text, other->text) != 0)
            return false;
    }
    return true;
}

/* Whether an own value is to be shown. `inherited` is what would count without it. */
static bool is_shown(const struct dumper *dumper, const struct setting *own,
                     const struct setting *inherited)
{
    return own->is_set && (dumper->what != CONFIG_DUMP_CHANGED || !is_same(own, inherited));
}

static void dump_option(const struct dumper *dumper, const struct section *section,
                        enum option_id id)
{
    const struct option *option = &option_table[id];
    const struct setting *inherited = settings_get(dumper->settings, NULL, id);
    const struct setting *own = section == NULL ? NULL : section_value(section, id);

    /* What is included is in the dump already. */
    if (option->is_later || id == CULVERT_INCLUDE)
        return;
    if (own != NULL && own->is_set) {
        if (is_shown(dumper, own, inherited))
            print_setting(dumper, option, own, false);
    } else if (dumper->what == CONFIG_DUMP_ALL && inherited->count > 0) {
        print_setting(dumper, option, inherited, inherited->is_set && inherited->file != NULL);
    } else if (dumper->what == CONFIG_DUMP_ALL) {
        fprintf(dumper->out, "# %s is not set%s%s\n", option->key,
                option->fallback_note == NULL ? "" : ": ",
                option->fallback_note == NULL ? "" : option->fallback_note);
    }
}

static void dump_section(const struct dumper *dumper, enum section_kind kind,
                         const struct section *section)
{
    char text[SECTION_TEXT_BYTES];
    enum option_id first;
    size_t count;

    section_options(kind, &first, &count);
    if (section == NULL)
        fprintf(dumper->out, "[%s]\n", section_table[kind].word);
    else
        fprintf(dumper->out, "%s\n", section_text(section, text, sizeof(text)));
    for (size_t i = 0; i < count; i++)
        dump_option(dumper, section, (enum option_id)(first + i));
    fputc('\n', dumper->out);
}

/* A key of [defaults] stands for an option of both sections; the first is shown. */
static void dump_defaults(const struct dumper *dumper)
{
    const struct section *section = settings_first(dumper->settings, SECTION_DEFAULTS);

    if (section == NULL)
        return;
    fputs("[defaults]\n", dumper->out);
    for (size_t i = 0; i < section->count; i++) {
        enum option_id id = (enum option_id)(section->first + i);
        const struct option *option = &option_table[id];
        const struct option *twin = option_find(SECTION_LISTEN, option->key);

        if (option->section == SECTION_POOL && twin != NULL && twin->in_defaults)
            continue;
        if (is_shown(dumper, section_value(section, id), &dumper->settings->fallbacks[id]))
            print_setting(dumper, option, section_value(section, id), false);
    }
    fputc('\n', dumper->out);
}

static void dump_ini(const struct dumper *dumper)
{
    for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
        const struct section *section = settings_first(dumper->settings, kind);

        if (section_table[kind].is_later)
            continue;
        if (kind == SECTION_DEFAULTS) {
            dump_defaults(dumper);
            continue;
        }
        if (section == NULL && dumper->what == CONFIG_DUMP_ALL && !section_table[kind].has_name)
            dump_section(dumper, kind, NULL);
        for (; section != NULL; section = section_next(section))
            dump_section(dumper, kind, section);
    }
}

/* ---- JSON -------------------------------------------------------------------------------------
 */

static json_t *json_of_item(const struct option *option, const struct item *item)
{
    if (item->word < 0 && option->type == VALUE_BOOL)
        return json_boolean(item->number != 0);
    if (item->word < 0 && option->type == VALUE_INT)
        return json_integer(item->number);
    json_t *text = json_string(item->text);
    return text != NULL ? text : json_string("(not UTF-8)");
}

static json_t *json_of_setting(const struct option *option, const struct setting *setting)
{
    const struct origin *origin = setting->count > 0 ? &setting->items[0].origin : &setting->origin;
    json_t *object = json_object();
    char place[512];

    if (option->is_list) {
        json_t *array = json_array();

        for (size_t i = 0; i < setting->count; i++)
            json_array_append_new(array, json_of_item(option, &setting->items[i]));
        json_object_set_new(object, "value", array);
    } else if (setting->count > 0) {
        json_object_set_new(object, "value", json_of_item(option, &setting->items[0]));
    } else {
        json_object_set_new(object, "value", json_null());
    }
    if (origin->file == NULL)
        json_object_set_new(object, "origin", json_string("default"));
    else
        json_object_set_new(object, "origin",
                            json_string(origin_text(origin, place, sizeof(place))));
    return object;
}

static json_t *json_of_section(const struct settings *settings, enum section_kind kind,
                               const struct section *section)
{
    json_t *object = json_object();
    enum option_id first;
    size_t count;

    section_options(kind, &first, &count);
    for (size_t i = 0; i < count; i++) {
        enum option_id id = (enum option_id)(first + i);

        if (!option_table[id].is_later)
            json_object_set_new(
                object, option_table[id].key,
                json_of_setting(&option_table[id], settings_get(settings, section, id)));
    }
    return object;
}

static void dump_json(const struct dumper *dumper)
{
    json_t *root = json_object();

    for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
        const struct section *section = settings_first(dumper->settings, kind);
        const char *word = section_table[kind].word;

        /* The values of [defaults] are in the sections they count for. */
        if (section_table[kind].is_later || kind == SECTION_DEFAULTS)
            continue;
        if (!section_table[kind].has_name) {
            json_object_set_new(root, word, json_of_section(dumper->settings, kind, section));
            continue;
        }
        json_t *named = json_object();
        for (; section != NULL; section = section_next(section))
            json_object_set_new(named, section->name,
                                json_of_section(dumper->settings, kind, section));
        json_object_set_new(root, word, named);
    }
    json_dumpf(root, dumper->out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    fputc('\n', dumper->out);
    json_decref(root);
}

void config_dump(const struct config *config, FILE *out, enum config_dump what)
{
    struct dumper dumper = {.settings = &config->settings, .out = out, .what = what};

    if (what == CONFIG_DUMP_JSON)
        dump_json(&dumper);
    else
        dump_ini(&dumper);
}
