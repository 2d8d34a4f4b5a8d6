/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.c - which files are read, and in which order.
 *
 * A file is read whole, then the files it includes, in the order of its include lines; so a later
 * word stands in a later file. The files still to be read are a stack, not a recursion.
 */
#include "config/loader.h"

#include <errno.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/text.h"
#include "config/ini_reader.h"
#include "config/suggest.h"

#define DEFAULT_FILE "/etc/culvert/culvert.ini"
#define MAIN_FILE "culvert.ini"
#define DROP_INS "conf.d/*.ini"

/* A file to be read. */
struct pending {
    char *name;           /* owned */
    struct origin origin; /* the include line; file NULL: none */
    unsigned depth;
    bool may_be_known; /* a drop-in that may have been included already */
};

struct stack {
    struct pending *list;
    size_t count;
    size_t capacity;
};

static bool stack_push(struct loader *loader, struct stack *stack, const char *name,
                       const struct pending *like)
{
    if (stack->count == stack->capacity) {
        size_t capacity = stack->capacity == 0 ? 16 : 2 * stack->capacity;
        struct pending *list = realloc(stack->list, capacity * sizeof(*list));

        if (list == NULL)
            return diagnostics_out_of_memory(loader->diagnostics);
        stack->list = list;
        stack->capacity = capacity;
    }
    struct pending *pending = &stack->list[stack->count];
    *pending = *like;
    pending->name = strdup(name);
    if (pending->name == NULL)
        return diagnostics_out_of_memory(loader->diagnostics);
    stack->count++;
    return true;
}

/* ---- one file ---------------------------------------------------------------------------------
 */

/* Where the keys of the file being read go. */
struct reading {
    struct loader *loader;
    struct section *section; /* NULL: pass over */
};

static void on_section(void *user, const char *type, const char *name, const struct origin *origin)
{
    struct reading *reading = user;
    struct loader *loader = reading->loader;

    reading->section = settings_open(loader->settings, type, name, origin, loader->diagnostics);
}

static void on_assignment(void *user, const char *key, const char *value,
                          const struct origin *origin, const struct origin *value_origin)
{
    struct reading *reading = user;
    struct loader *loader = reading->loader;

    if (reading->section != NULL)
        settings_assign(reading->section, key, value, origin, value_origin, loader->files,
                        loader->diagnostics);
}

static void parse_file(struct loader *loader, const struct source_file *file)
{
    struct reading reading = {.loader = loader};
    struct ini_events events = {
        .section = on_section, .assignment = on_assignment, .user = &reading};
    struct origin whole = {.file = file};

    if (file->is_world_writable)
        diagnostics_warning(loader->diagnostics, TOPIC_EXPOSED, &whole,
                            "everyone may write this file");
    ini_read(file, &events, loader->diagnostics);
}

/* ---- include ----------------------------------------------------------------------------------
 */

static bool has_wildcard(const char *pattern)
{
    return strpbrk(pattern, "*?[") != NULL;
}

/* The pattern as seen from the current folder: relative to the file that names it. */
static char *pattern_from(const struct source_file *file, const char *pattern)
{
    const char *slash = strrchr(file->name, '/');
    char *whole = NULL;

    if (pattern[0] == '/' || slash == NULL || file->inode == 0)
        return strdup(pattern);
    if (asprintf(&whole, "%.*s%s", (int)(slash - file->name) + 1, file->name, pattern) == -1)
        return NULL;
    return whole;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A folder that is not there matches nothing; one that cannot be read might have matched. */
static int on_glob_error(const char *folder, int error)
{
    (void)folder;
    return error != ENOENT && error != ENOTDIR;
}

/* Pushes the files a pattern stands for so that the first is read first. */
static bool push_matches(struct loader *loader, struct stack *stack, const char *pattern,
                         const struct pending *like)
{
    glob_t matches;
    bool is_good = true;
    int result = glob(pattern, GLOB_NOSORT, on_glob_error, &matches);

    if (result == GLOB_NOMATCH)
        return true;
    if (result != 0) {
        diagnostics_error(loader->diagnostics, TOPIC_INCLUDE, &like->origin,
                          "'%s' cannot be searched: %s", pattern,
                          result == GLOB_NOSPACE ? "out of memory" : strerror(errno));
        globfree(&matches);
        return false;
    }
    /* In the order of the bytes, whatever the locale. */
    qsort(matches.gl_pathv, matches.gl_pathc, sizeof(char *), compare_names);
    for (size_t i = matches.gl_pathc; i > 0 && is_good; i--)
        is_good = stack_push(loader, stack, matches.gl_pathv[i - 1], like);
    globfree(&matches);
    return is_good;
}

/* Pushes what the file includes, the last one first. */
static void push_includes(struct loader *loader, struct stack *stack,
                          const struct source_file *file)
{
    const struct section *section = settings_find(loader->settings, SECTION_CULVERT, "");

    if (section == NULL)
        return;
    const struct setting *include = section_value(section, CULVERT_INCLUDE);
    for (size_t i = include->count; i > 0; i--) {
        const struct item *item = &include->items[i - 1];

        if (item->origin.file != file)
            continue;
        struct pending like = {.origin = item->origin, .depth = file->depth + 1};
        char *pattern = pattern_from(file, item->text);
        if (pattern == NULL) {
            (void)diagnostics_out_of_memory(loader->diagnostics);
            return;
        }
        if (has_wildcard(pattern))
            (void)push_matches(loader, stack, pattern, &like);
        else
            (void)stack_push(loader, stack, pattern, &like);
        free(pattern);
    }
}

/* Whether the file that is about to be read has been read before; reported unless that may be. */
static bool is_known(struct loader *loader, const struct pending *pending)
{
    struct stat status;

    if (stat(pending->name, &status) == -1)
        return false;
    const struct source_file *known =
        source_files_find(loader->files, status.st_dev, status.st_ino);
    if (known == NULL)
        return false;
    for (const struct source_file *file = pending->origin.file; file != NULL;
         file = file->includer) {
        if (file == known) {
            diagnostics_error(loader->diagnostics, TOPIC_INCLUDE, &pending->origin,
                              "this include closes a circle: %s is being read", known->name);
            return true;
        }
    }
    if (!pending->may_be_known) {
        struct origin place = pending->origin;

        diagnostics_warning(loader->diagnostics, TOPIC_INCLUDE, &place,
                            "%s has been read already; it is not read again", pending->name);
    }
    return true;
}

static void read_pending(struct loader *loader, struct stack *stack, const struct pending *pending)
{
    struct error error = {0};
    struct source_file *file;

    if (pending->depth > INCLUDE_DEPTH_MAX) {
        diagnostics_error(loader->diagnostics, TOPIC_INCLUDE, &pending->origin,
                          "files include each other more than %d deep here", INCLUDE_DEPTH_MAX);
        return;
    }
    if (is_known(loader, pending))
        return;
    file = source_file_read(loader->files, pending->name, &error);
    if (file == NULL) {
        diagnostics_error(loader->diagnostics, TOPIC_FILE, &pending->origin, "%s %s", pending->name,
                          error.text);
        return;
    }
    file->includer = pending->origin.file;
    file->depth = pending->depth;
    file->is_root = pending->origin.file == NULL && !pending->may_be_known;
    loader->included += !file->is_root;
    parse_file(loader, file);
    push_includes(loader, stack, file);
}

static void read_stack(struct loader *loader, struct stack *stack)
{
    while (stack->count > 0) {
        struct pending pending = stack->list[--stack->count];

        read_pending(loader, stack, &pending);
        free(pending.name);
    }
    free(stack->list);
    *stack = (struct stack){0};
}

/* ---- what the command line names --------------------------------------------------------------
 */

static void read_text(struct loader *loader, const char *name, const char *text,
                      bool is_command_line)
{
    struct source_file *file = source_file_from_text(loader->files, name, text);
    struct stack stack = {0};

    if (file == NULL) {
        (void)diagnostics_out_of_memory(loader->diagnostics);
        return;
    }
    file->is_command_line = is_command_line;
    file->is_root = true;
    parse_file(loader, file);
    push_includes(loader, &stack, file);
    read_stack(loader, &stack);
}

static void read_stdin(struct loader *loader)
{
    struct error error = {0};
    struct source_file *file = source_file_read_stdin(loader->files, &error);
    struct stack stack = {0};

    if (file == NULL) {
        diagnostics_error(loader->diagnostics, TOPIC_FILE, NULL, "standard input %s", error.text);
        return;
    }
    file->is_root = true;
    parse_file(loader, file);
    push_includes(loader, &stack, file);
    read_stack(loader, &stack);
}

/* A folder stands for culvert.ini in it and then conf.d/ (*.ini). */
static void read_folder(struct loader *loader, const char *folder)
{
    struct stack stack = {0};
    struct pending like = {.may_be_known = true};
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    char *name = NULL;

    if (asprintf(&name, "%s%s" DROP_INS, folder, slash) == -1) {
        (void)diagnostics_out_of_memory(loader->diagnostics);
        return;
    }
    (void)push_matches(loader, &stack, name, &like);
    strcpy(name + length + strlen(slash), MAIN_FILE);
    like.may_be_known = false;
    (void)stack_push(loader, &stack, name, &like);
    free(name);
    read_stack(loader, &stack);
}

static void read_file(struct loader *loader, const char *name)
{
    struct stack stack = {0};
    struct pending like = {0};
    struct stat status;

    if (stat(name, &status) == 0 && S_ISDIR(status.st_mode)) {
        read_folder(loader, name);
        return;
    }
    (void)stack_push(loader, &stack, name, &like);
    read_stack(loader, &stack);
}

/* Nothing was named: the usual places, or the INI text inside the program. */
static void read_default(struct loader *loader)
{
    const char *named = getenv("CULVERT_CONFIG");
    struct stat status;

    if (named != NULL && named[0] != '\0')
        read_file(loader, named);
    else if (stat(DEFAULT_FILE, &status) == 0 || errno != ENOENT)
        read_file(loader, DEFAULT_FILE);
    else
        read_text(loader, "(embedded)", config_embedded, false);
}

/* ---- overrides --------------------------------------------------------------------------------
 */

/* SECTION[.NAME].KEY=VALUE taken apart: a name may have dots, a key has none. */
struct override {
    char type[INI_NAME_MAX + 1];
    char name[INI_NAME_MAX + 1];
    char key[INI_NAME_MAX + 1];
    const char *value;
};

static bool copy_part(char part[INI_NAME_MAX + 1], const char *start, const char *end)
{
    size_t length = (size_t)(end - start);

    if (length == 0 || length > INI_NAME_MAX)
        return false;
    memcpy(part, start, length);
    part[length] = '\0';
    return true;
}

static bool override_split(const char *text, struct override *override)
{
    const char *equals = strchr(text, '=');
    const char *dot = strchr(text, '.');
    const char *last = equals == NULL ? NULL : memrchr(text, '.', (size_t)(equals - text));

    if (last == NULL)
        return false;
    override->name[0] = '\0';
    override->value = equals + 1;
    return copy_part(override->type, text, dot) && copy_part(override->key, last + 1, equals) &&
           (last == dot || copy_part(override->name, dot + 1, last));
}

/* An override of a section that is not there. */
static void no_such_section(struct loader *loader, const struct section_info *info,
                            enum section_kind kind, const char *name, const struct origin *origin)
{
    const struct section *section = settings_first(loader->settings, kind);
    const struct section *best = NULL;
    size_t best_distance = SIZE_MAX;
    size_t distance;

    for (; section != NULL; section = section_next(section)) {
        if (text_is_near(name, section->name, &distance) && distance < best_distance) {
            best = section;
            best_distance = distance;
        }
    }
    if (best != NULL)
        diagnostics_error(loader->diagnostics, TOPIC_OVERRIDE, origin,
                          "there is no [%s %s] to override; did you mean '%s'?", info->word, name,
                          best->name);
    else
        diagnostics_error(loader->diagnostics, TOPIC_OVERRIDE, origin,
                          "there is no [%s %s] to override", info->word, name);
}

/* The section an override speaks of, or NULL after a report. */
static struct section *override_section(struct loader *loader, const struct override *override,
                                        const struct origin *origin)
{
    enum section_kind kind = section_kind_of(override->type);
    char buffer[512];

    if (kind == SECTION_KINDS) {
        diagnostics_error(loader->diagnostics, TOPIC_OVERRIDE, origin, "%s",
                          suggest_section(override->type, buffer, sizeof(buffer)));
        return NULL;
    }
    const struct section_info *info = &section_table[kind];
    if (info->is_later) {
        diagnostics_error(loader->diagnostics, TOPIC_LATER, origin,
                          "[%s] is not available in this version", info->word);
        return NULL;
    }
    if (info->has_name != (override->name[0] != '\0')) {
        diagnostics_error(loader->diagnostics, TOPIC_OVERRIDE, origin,
                          info->has_name ? "[%s] sections have names: %s.NAME.%s=..."
                                         : "[%s] has no name: %s.%s=...",
                          info->word, info->word, override->key);
        return NULL;
    }
    struct section *section = settings_find(loader->settings, kind, override->name);
    if (section == NULL && info->has_name) {
        no_such_section(loader, info, kind, override->name, origin);
        return NULL;
    }
    if (section == NULL) {
        section = settings_add(loader->settings, kind, "", origin);
        if (section == NULL)
            (void)diagnostics_out_of_memory(loader->diagnostics);
    }
    return section;
}

static void read_override(struct loader *loader, const struct source_file *file, unsigned line,
                          const char *text)
{
    struct override override;
    struct origin origin = {.file = file, .line = line, .column = 1};

    origin.length = (unsigned)strlen(text);
    if (strpbrk(text, "\n\r") != NULL || !override_split(text, &override)) {
        diagnostics_error(loader->diagnostics, TOPIC_OVERRIDE, &origin,
                          "an override is SECTION.KEY=VALUE or SECTION.NAME.KEY=VALUE");
        return;
    }
    struct section *section = override_section(loader, &override, &origin);
    if (section == NULL)
        return;
    if (section->kind == SECTION_CULVERT && strcmp(override.key, "include") == 0) {
        diagnostics_error(loader->diagnostics, TOPIC_OVERRIDE, &origin,
                          "'include' cannot be overridden; name the file with -c");
        return;
    }
    struct origin value = origin;
    value.column = (unsigned)(override.value - text) + 1;
    value.length = (unsigned)strlen(override.value);
    origin.length = value.column - 2;
    if (strlen(override.value) > INI_LINE_MAX)
        diagnostics_error(loader->diagnostics, TOPIC_OVERRIDE, &origin, "this value is too long");
    else
        settings_assign(section, override.key, override.value, &origin, &value, loader->files,
                        loader->diagnostics);
}

/* All overrides are the lines of one text, so that messages can show them. */
static void read_overrides(struct loader *loader, const struct config_sources *sources)
{
    size_t size = 1;
    for (size_t i = 0; i < sources->override_count; i++)
        size += strlen(sources->overrides[i]) + 1;
    char *text = malloc(size);
    if (text == NULL) {
        (void)diagnostics_out_of_memory(loader->diagnostics);
        return;
    }
    struct text lines = text_over(text, size);
    for (size_t i = 0; i < sources->override_count; i++) {
        text_append(&lines, sources->overrides[i]);
        text_append_char(&lines, '\n');
    }
    struct source_file *file = source_file_from_text(loader->files, "-s", text);
    free(text);
    if (file == NULL) {
        (void)diagnostics_out_of_memory(loader->diagnostics);
        return;
    }
    file->is_command_line = true;
    for (size_t i = 0; i < sources->override_count; i++)
        read_override(loader, file, (unsigned)i + 1, sources->overrides[i]);
}

void loader_read(struct loader *loader, const struct config_sources *sources)
{
    if (sources->quick_ini != NULL) {
        read_text(loader, "(command line)", sources->quick_ini, true);
    } else if (sources->file_count == 0) {
        read_default(loader);
    } else {
        for (size_t i = 0; i < sources->file_count; i++) {
            if (strcmp(sources->files[i], "-") == 0)
                read_stdin(loader);
            else
                read_file(loader, sources->files[i]);
        }
    }
    if (sources->override_count > 0)
        read_overrides(loader, sources);
}
