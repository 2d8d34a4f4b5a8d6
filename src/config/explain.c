/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.c - `culvert explain`: the option table for people.
 */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "config/config.h"
#include "config/option_table.h"
#include "config/suggest.h"

/* Width of a line of help. */
#define LINE_WIDTH 78

static void list_sections(FILE *out)
{
    char form[32];

    for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
        if (!section_table[kind].is_later)
            fprintf(out, "%-16s %s\n", section_form(kind, form, sizeof(form)),
                    section_table[kind].help);
    }
    fputs("\nculvert explain SECTION lists the keys of one, culvert explain SECTION.KEY says what "
          "a key does.\n",
          out);
}

static bool stands_in(const struct option *option, enum section_kind kind)
{
    if (option->is_later)
        return false;
    if (kind != SECTION_DEFAULTS)
        return option->section == kind;
    /* The shared keys of [listen] and [pool] once. */
    const struct option *twin = option_find(SECTION_LISTEN, option->key);
    return option->in_defaults && (option->section == SECTION_LISTEN || twin == NULL);
}

static const char *default_text(const struct option *option)
{
    if (option->fallback != NULL)
        return option->fallback;
    return option->is_required ? "(required)" : "-";
}

static void list_keys(enum section_kind kind, FILE *out)
{
    char form[32];
    char type[256];

    fprintf(out, "%s - %s\n\n", section_form(kind, form, sizeof(form)), section_table[kind].help);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];

        if (stands_in(option, kind))
            fprintf(out, "  %-20s %-10s %s\n", option->key, default_text(option),
                    option_type_text(option, type, sizeof(type)));
    }
    fprintf(out, "\nculvert explain %s.KEY says what a key does.\n", section_table[kind].word);
}

/* A sentence over several lines, each behind `indent` blanks; the first one is begun already. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
    int column = indent;

    while (*text != '\0') {
        int length = (int)strcspn(text, " ");

        if (column > indent && column + 1 + length > LINE_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_field(FILE *out, const char *name, const char *text)
{
    fprintf(out, "  %-10s", name);
    print_wrapped(out, text, 12);
}

/* What a change of the value needs. Nothing reloads a configuration yet. */
#define FOR_NOW "; a restart, until reload is there"

static const char *reload_sentence(enum reload_class reload)
{
    switch (reload) {
    case RELOAD_LIVE:
        return "live: applies at once" FOR_NOW;
    case RELOAD_NEW:
        return "new: applies to new sessions" FOR_NOW;
    case RELOAD_BIND:
        return "bind: opens the socket again" FOR_NOW;
    case RELOAD_START:
        return "start: needs a restart";
    }
    return "";
}

static void explain_option(const struct option *option, FILE *out)
{
    char form[32];
    char text[256];

    section_form(option->section, form, sizeof(form));
    fprintf(out, "%s %s\n\n  ", form, option->key);
    if (option->is_later) {
        fputs("not available in this version\n", out);
        return;
    }
    print_wrapped(out, option->help, 2);
    fputc('\n', out);
    print_field(out, "type", option_type_text(option, text, sizeof(text)));
    if (option->type == VALUE_ENUM && option->later_words != NULL) {
        snprintf(text, sizeof(text), "%s (not in this version)", option->later_words);
        print_field(out, "later", text);
    }
    if (option->fallback_note != NULL)
        print_field(out, "default", option->fallback_note);
    else
        print_field(out, "default", default_text(option));
    if (option->in_defaults)
        print_field(out, "also in", "[defaults]");
    print_field(out, "reload", reload_sentence(option->reload));
    if (option->peers != NULL)
        print_field(out, "elsewhere", option->peers);
    if (option->example != NULL) {
        snprintf(text, sizeof(text), "%s = %s", option->key, option->example);
        print_field(out, "example", text);
    }
}

/* A key of any section. */
static bool explain_key(enum section_kind kind, const char *key, FILE *out)
{
    bool is_found = false;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];
        bool is_meant = kind == SECTION_KINDS      ? true
                        : kind == SECTION_DEFAULTS ? option->in_defaults
                                                   : option->section == kind;

        if (!is_meant || strcmp(option->key, key) != 0)
            continue;
        if (is_found)
            fputc('\n', out);
        explain_option(option, out);
        is_found = true;
    }
    return is_found;
}

/* Says what may have been meant; returns false. */
static bool explain_unknown(const char *word, FILE *complaints)
{
    char buffer[512];
    size_t distance;

    for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
        if (!text_is_near(word, section_table[kind].word, &distance))
            continue;
        fprintf(complaints, "culvert: %s\n", suggest_section(word, buffer, sizeof(buffer)));
        return false;
    }
    /* SECTION_KINDS has no keys of its own: every near word is one of another section. */
    suggest_key(SECTION_KINDS, NULL, word, buffer, sizeof(buffer));
    fprintf(complaints, "culvert: %s%s\n", buffer,
            strchr(buffer, ';') == NULL ? "; 'culvert explain' lists the sections" : "");
    return false;
}

bool config_explain(const char *word, FILE *out, FILE *complaints)
{
    char copy[128];
    char message[512];

    if (word == NULL || word[0] == '\0') {
        list_sections(out);
        return true;
    }
    /* "[listen]", "[listen NAME]" and "listen" are the same. */
    word += word[0] == '[';
    snprintf(copy, sizeof(copy), "%s", word);
    copy[strcspn(copy, " ]")] = '\0';
    char *dot = strchr(copy, '.');
    if (dot != NULL)
        *dot = '\0';
    enum section_kind kind = section_kind_of(copy);
    if (kind != SECTION_KINDS && section_table[kind].is_later) {
        fprintf(out, "[%s] is not available in this version\n", copy);
        return true;
    }
    if (dot == NULL && kind != SECTION_KINDS) {
        list_keys(kind, out);
        return true;
    }
    if (dot != NULL && kind == SECTION_KINDS) {
        fprintf(complaints, "culvert: %s\n", suggest_section(copy, message, sizeof(message)));
        return false;
    }
    const char *key = dot == NULL ? copy : dot + 1;
    return explain_key(kind, key, out) || explain_unknown(key, complaints);
}
