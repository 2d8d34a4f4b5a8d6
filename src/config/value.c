/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c - from the text of a value to its items.
 *
 * Texts come from files and the environment: no length is trusted.
 */
#include "config/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "config/endpoint.h"
#include "config/sni_map.h"
#include "config/suggest.h"
#include "config/value_bytes.h"
#include "config/value_number.h"
#include "config/value_prefix.h"
#include "config/value_tls.h"

/* One word of a value, and where it starts. */
struct word {
    const char *string; /* NUL-terminated */
    size_t length;
    struct origin origin;
};

struct parser {
    const struct option *option;
    const struct value_text *text;
    const struct origin *origin;
    struct source_files *files;
    struct setting *setting;
    struct diagnostics *diagnostics;
};

static bool is_separator(const struct value_byte *byte)
{
    return !byte->is_quoted && (byte->byte == ' ' || byte->byte == '\t' || byte->byte == ',');
}

static struct origin part_origin(const struct parser *parser, size_t first, size_t last)
{
    const struct value_byte *bytes = parser->text->bytes;
    struct origin origin = *parser->origin;

    origin.column += bytes[first].column;
    origin.length = (unsigned)(bytes[last - 1].column - bytes[first].column) + 1;
    /* With its quotes. */
    if (bytes[first].is_quoted) {
        origin.column--;
        origin.length += bytes[first].is_empty ? 1 : 2;
    }
    return origin;
}

/* The bytes [first, last) as a word; its string is for free(3), NULL without memory. */
static bool word_make(const struct parser *parser, size_t first, size_t last, struct word *word)
{
    char *string = malloc(last - first + 1);

    if (string == NULL)
        return diagnostics_out_of_memory(parser->diagnostics);
    word->length = 0;
    for (size_t i = first; i < last; i++) {
        if (!parser->text->bytes[i].is_empty)
            string[word->length++] = parser->text->bytes[i].byte;
    }
    string[word->length] = '\0';
    word->string = string;
    word->origin = part_origin(parser, first, last);
    return true;
}

static void word_free(struct word *word)
{
    free((char *)word->string);
    word->string = NULL;
}

static bool value_error(const struct parser *parser, const struct origin *origin,
                        const char *format, ...) CULVERT_PRINTF(3, 4);

static bool value_error(const struct parser *parser, const struct origin *origin,
                        const char *format, ...)
{
    char memory[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(memory, sizeof(memory), format, arguments);
    va_end(arguments);
    diagnostics_error(parser->diagnostics, TOPIC_VALUE, origin, "%s", memory);
    return false;
}

static bool parse_number(const struct parser *parser, const struct word *word, struct item *item)
{
    struct error error = {0};

    if (value_number_parse(parser->option, word->string, item, &error))
        return true;
    diagnostics_error(parser->diagnostics,
                      error.exit_code == VALUE_LACKS_UNIT ? TOPIC_UNIT : TOPIC_VALUE, &word->origin,
                      "%s", error.text);
    return false;
}

/* ---- words and names --------------------------------------------------------------------------
 */

static bool parse_enum(const struct parser *parser, const struct word *word)
{
    const struct option *option = parser->option;
    char guess[96];

    if (word_index(option->later_words, word->string) >= 0) {
        diagnostics_error(parser->diagnostics, TOPIC_LATER, &word->origin,
                          "'%s = %s' is not available in this version; there is: %s", option->key,
                          word->string, option->words);
        return false;
    }
    suggest_word(option->words, word->string, guess, sizeof(guess));
    return value_error(parser, &word->origin, "'%s' takes one of: %s%s", option->key, option->words,
                       guess);
}

static bool check_printable(const struct parser *parser, const struct word *word)
{
    for (size_t i = 0; i < word->length; i++) {
        unsigned char byte = (unsigned char)word->string[i];

        if (byte < 0x20 || byte == 0x7f)
            return value_error(parser, &word->origin, "a control byte (0x%02x) in this value",
                               byte);
    }
    return true;
}

static bool set_path(const struct parser *parser, const struct word *word, struct item *item)
{
    char *path = source_file_resolve(parser->origin->file, word->string);

    if (path == NULL)
        return diagnostics_out_of_memory(parser->diagnostics);
    free(item->text);
    item->text = path;
    return true;
}

static bool parse_path(const struct parser *parser, const struct word *word, struct item *item)
{
    const struct option *option = parser->option;
    bool is_server = option->section == SECTION_LOG && strncmp(word->string, "syslog:", 7) == 0;
    char guess[96];

    if (word->length == 0)
        return value_error(parser, &word->origin, "'%s' needs a path", option->key);
    if (is_server || option->type == VALUE_GLOB)
        return true;
    if (strchr(word->string, '/') == NULL) {
        suggest_word(option->words, word->string, guess, sizeof(guess));
        if (guess[0] != '\0')
            return value_error(parser, &word->origin,
                               "'%s' is none of: %s%s (a file of that name is ./%s)", word->string,
                               option->words, guess, word->string);
    }
    return set_path(parser, word, item);
}

static bool is_section_name(const char *name)
{
    size_t length =
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

    return length >= 1 && length <= 32 && name[length] == '\0';
}

static bool looks_like_path(const struct word *word)
{
    return strchr(word->string, '/') != NULL ||
           (word->length > 4 && strcmp(word->string + word->length - 4, ".pem") == 0);
}

static bool parse_reference(const struct parser *parser, const struct word *word, struct item *item)
{
    const struct option *option = parser->option;
    const char *kind = section_table[option->refers_to].word;

    if (option->may_be_path && looks_like_path(word))
        return set_path(parser, word, item);
    if (is_section_name(word->string))
        return true;
    if (option->may_be_path)
        return value_error(parser, &word->origin,
                           "'%s' is neither the name of a [%s] (1 to 32 of A-Z a-z 0-9 _ . -) nor "
                           "a path, which has a slash or ends in .pem",
                           word->string, kind);
    return value_error(parser, &word->origin,
                       "'%s' cannot be the name of a [%s]: 1 to 32 of A-Z a-z 0-9 _ . -",
                       word->string, kind);
}

static bool parse_sni_map(const struct parser *parser, const struct word *word, struct item *item)
{
    if (!parse_path(parser, word, item))
        return false;
    item->sni_map = sni_map_read(item->text, &word->origin, parser->files, parser->diagnostics);
    return item->sni_map != NULL;
}

/* A word whose form a function tells: NULL, or what is wrong with it. */
static bool check_form(const struct parser *parser, const struct word *word,
                       const char *(*fault)(const char *word))
{
    const char *what = fault(word->string);

    return what == NULL || value_error(parser, &word->origin, "'%s': %s", word->string, what);
}

/* ---- addresses and servers --------------------------------------------------------------------
 */

static bool parse_endpoint(const struct parser *parser, const struct word *word,
                           struct endpoint *endpoint)
{
    struct error error = {0};
    enum endpoint_use use = parser->option->type == VALUE_SERVER ? ENDPOINT_FOR_SERVER
                            : parser->option->type == VALUE_IP   ? ENDPOINT_FOR_SOURCE
                                                                 : ENDPOINT_FOR_BIND;
    const struct source_file *file = parser->origin->file;
    bool may_be_bare = use == ENDPOINT_FOR_BIND && file != NULL && file->is_command_line;

    if (endpoint_parse(word->string, use, may_be_bare, endpoint, &error))
        return true;
    diagnostics_error(parser->diagnostics,
                      error.exit_code == ENDPOINT_IS_LATER ? TOPIC_LATER : TOPIC_VALUE,
                      &word->origin, "%s", error.text);
    return false;
}

static bool parse_addr(const struct parser *parser, const struct word *word, struct item *item)
{
    item->endpoint = calloc(1, sizeof(*item->endpoint));
    if (item->endpoint == NULL)
        return diagnostics_out_of_memory(parser->diagnostics);
    return parse_endpoint(parser, word, item->endpoint);
}

/* A number behind "key=" of a server; false after a report. */
static bool server_number(const struct parser *parser, const struct word *word, size_t key_length,
                          int least, int most, int *number)
{
    int64_t value;
    const char *end = value_read_digits(word->string + key_length, INT32_MAX, &value);

    if (end == NULL || *end != '\0' || value < least || value > most)
        return value_error(parser, &word->origin, "'%s' must be a number from %d to %d",
                           word->string, least, most);
    *number = (int)value;
    return true;
}

static bool set_server_name(const struct parser *parser, const struct word *word, const char *name,
                            struct endpoint *server)
{
    const char *fault = value_name_fault(name);

    if (fault != NULL)
        return value_error(parser, &word->origin, "'%s': %s", name, fault);
    free(server->server_name);
    server->server_name = strdup(name);
    return server->server_name != NULL || diagnostics_out_of_memory(parser->diagnostics);
}

static bool parse_server_option(const struct parser *parser, const struct word *word,
                                struct endpoint *server)
{
    static const char words[] =
        "backup disabled drain weight= max_connections= health_port= server_name=";
    char guess[96];

    if (strncmp(word->string, "weight=", 7) == 0)
        return server_number(parser, word, 7, 1, 256, &server->weight);
    if (strncmp(word->string, "max_connections=", 16) == 0)
        return server_number(parser, word, 16, 0, 1 << 29, &server->max_connections);
    if (strncmp(word->string, "health_port=", 12) == 0)
        return server_number(parser, word, 12, 1, 65535, &server->health_port);
    if (strncmp(word->string, "server_name=", 12) == 0)
        return set_server_name(parser, word, word->string + 12, server);
    if (strcmp(word->string, "backup") == 0)
        server->is_backup = true;
    else if (strcmp(word->string, "disabled") == 0)
        server->is_disabled = true;
    else if (strcmp(word->string, "drain") == 0)
        server->is_drain = true;
    else
        return value_error(parser, &word->origin, "'%s' is no option of a server%s", word->string,
                           suggest_word(words, word->string, guess, sizeof(guess)));
    return true;
}

/* A word that would have to be an address. */
static bool not_an_address(const struct parser *parser, const struct word *word)
{
    char guess[96];

    suggest_word("backup disabled drain", word->string, guess, sizeof(guess));
    return value_error(parser, &word->origin, "'%s' is no address%s", word->string,
                       guess[0] != '\0' ? guess : ": a server is [NAME] host:port [options]");
}

/* Whether a word behind an address begins the next server: a name, or an address. */
static bool is_server_option(const char *word)
{
    return strchr(word, '=') != NULL || strcmp(word, "backup") == 0 ||
           strcmp(word, "disabled") == 0 || strcmp(word, "drain") == 0;
}

static bool looks_like_address(const char *word)
{
    const char *equals = strchr(word, '=');
    const char *colon = strchr(word, ':');

    return (colon != NULL && (equals == NULL || colon < equals)) || strcmp(word, "original") == 0;
}

/* ---- items ------------------------------------------------------------------------------------
 */

static void item_release(struct item *item)
{
    free(item->text);
    endpoint_destroy(item->endpoint);
    free(item->prefixes.items);
    sni_map_destroy(item->sni_map);
    *item = (struct item){0};
}

/* A fresh item at the end of the setting; NULL without memory. */
static struct item *item_add(const struct parser *parser, const struct word *word)
{
    struct setting *setting = parser->setting;

    if (setting->count == setting->capacity) {
        size_t capacity = setting->capacity == 0 ? 1 : 2 * setting->capacity;
        struct item *items = realloc(setting->items, capacity * sizeof(*items));

        if (items == NULL) {
            (void)diagnostics_out_of_memory(parser->diagnostics);
            return NULL;
        }
        setting->items = items;
        setting->capacity = capacity;
    }
    struct item *item = &setting->items[setting->count];
    *item = (struct item){.origin = word->origin, .word = -1, .text = strdup(word->string)};
    if (item->text == NULL) {
        (void)diagnostics_out_of_memory(parser->diagnostics);
        return NULL;
    }
    setting->count++;
    return item;
}

static void item_drop_last(const struct parser *parser)
{
    item_release(&parser->setting->items[--parser->setting->count]);
}

/* The name of a server: as given, or as its address is written. */
static bool name_server(const struct parser *parser, struct item *item, const struct word *name,
                        const struct word *address)
{
    struct endpoint *server = item->endpoint;

    server->has_name = name->string != NULL;
    if (server->has_name && !is_section_name(name->string))
        return value_error(parser, &name->origin,
                           "'%s' is neither an address (host:port) nor the name of a server",
                           name->string);
    server->name = strdup(server->has_name ? name->string : address->string);
    return server->name != NULL || diagnostics_out_of_memory(parser->diagnostics);
}

/* The canonical text of a server: its words with one blank between them. */
static bool append_word(const struct parser *parser, struct item *item, const struct word *word)
{
    char *longer = NULL;

    if (asprintf(&longer, "%s %s", item->text, word->string) == -1)
        return diagnostics_out_of_memory(parser->diagnostics);
    free(item->text);
    item->text = longer;
    item->origin.length = word->origin.column + word->origin.length - item->origin.column;
    return true;
}

static bool next_word(const struct parser *parser, size_t *at, bool *has_comma, struct word *word)
{
    const struct value_text *text = parser->text;
    size_t first = *at;

    *has_comma = false;
    while (first < text->length && is_separator(&text->bytes[first])) {
        *has_comma |= text->bytes[first].byte == ',';
        first++;
    }
    size_t last = first;
    while (last < text->length && !is_separator(&text->bytes[last]))
        last++;
    *at = last;
    word->string = NULL;
    return first < last && word_make(parser, first, last, word);
}

/* State of a list of servers while its words come in. */
struct server_words {
    struct word name;  /* of the server to come, or empty */
    struct item *item; /* the server whose options come, or NULL */
};

static bool server_address(const struct parser *parser, struct server_words *words,
                           const struct word *word)
{
    const struct word *first = words->name.string != NULL ? &words->name : word;
    struct item *item = item_add(parser, first);

    words->item = NULL;
    if (item == NULL)
        return false;
    item->endpoint = calloc(1, sizeof(*item->endpoint));
    if (item->endpoint == NULL) {
        item_drop_last(parser);
        return diagnostics_out_of_memory(parser->diagnostics);
    }
    item->endpoint->weight = 1;
    item->endpoint->max_connections = -1;
    bool is_good = parse_endpoint(parser, word, item->endpoint) &&
                   name_server(parser, item, &words->name, word) &&
                   (first == word || append_word(parser, item, word));
    word_free(&words->name);
    if (is_good)
        words->item = item;
    else
        item_drop_last(parser);
    return is_good;
}

static bool server_word(const struct parser *parser, struct server_words *words,
                        const struct word *word, bool is_after_comma)
{
    if (is_after_comma && words->name.string == NULL)
        words->item = NULL;
    if (looks_like_address(word->string))
        return server_address(parser, words, word);
    if (words->item != NULL && is_server_option(word->string))
        return parse_server_option(parser, word, words->item->endpoint) &&
               append_word(parser, words->item, word);
    if (words->name.string != NULL)
        return not_an_address(parser, &words->name);
    words->item = NULL;
    words->name = *word;
    words->name.string = strdup(word->string);
    return words->name.string != NULL || diagnostics_out_of_memory(parser->diagnostics);
}

static bool parse_servers(const struct parser *parser)
{
    struct server_words words = {0};
    struct word word;
    bool has_comma;
    bool is_good = true;
    size_t at = 0;

    while (is_good && next_word(parser, &at, &has_comma, &word)) {
        is_good = check_printable(parser, &word) && server_word(parser, &words, &word, has_comma);
        word_free(&word);
    }
    if (is_good && words.name.string != NULL)
        is_good = not_an_address(parser, &words.name);
    word_free(&words.name);
    return is_good && !parser->diagnostics->is_out_of_memory;
}

static bool parse_item(const struct parser *parser, const struct word *word, struct item *item)
{
    const struct option *option = parser->option;

    if (option->type == VALUE_BYTES)
        return value_bytes_parse(word->string, word->length, item, parser->diagnostics);
    if (!check_printable(parser, word))
        return false;
    item->word = word_index(option->words, word->string);
    if (item->word >= 0)
        return true;
    switch (option->type) {
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_DURATION:
    case VALUE_SIZE:
    case VALUE_PERCENT:
    case VALUE_MODE:
    case VALUE_RATE:
    case VALUE_RANGE:
        return parse_number(parser, word, item);
    case VALUE_STRING:
        return true;
    case VALUE_PATH:
    case VALUE_GLOB:
        return parse_path(parser, word, item);
    case VALUE_ENUM:
        return parse_enum(parser, word);
    case VALUE_ADDR:
    case VALUE_IP:
        return parse_addr(parser, word, item);
    case VALUE_PREFIX:
        return value_prefix_parse(word->string, &word->origin, parser->files, item,
                                  parser->diagnostics);
    case VALUE_REF:
        return parse_reference(parser, word, item);
    case VALUE_SNI_MAP:
        return parse_sni_map(parser, word, item);
    case VALUE_SNI:
        return check_form(parser, word, value_sni_fault);
    case VALUE_ALPN:
        return check_form(parser, word, value_alpn_fault);
    case VALUE_SAN:
        return check_form(parser, word, value_san_fault);
    case VALUE_SERVER:
    case VALUE_BYTES:
        break;
    }
    return value_error(parser, &word->origin, "'%s' is not available in this version", option->key);
}

/* One word of a list, or the whole of a scalar. */
static bool add_item(const struct parser *parser, const struct word *word)
{
    struct item *item = item_add(parser, word);

    if (item == NULL)
        return false;
    if (!parse_item(parser, word, item)) {
        item_drop_last(parser);
        return false;
    }
    /* A bool has six spellings; the dump shows two. */
    if (parser->option->type == VALUE_BOOL) {
        free(item->text);
        item->text = strdup(item->number ? "yes" : "no");
        if (item->text == NULL) {
            item_drop_last(parser);
            return diagnostics_out_of_memory(parser->diagnostics);
        }
    }
    return true;
}

static bool parse_list(const struct parser *parser)
{
    struct word word;
    bool has_comma;
    bool is_good = true;
    size_t at = 0;

    while (next_word(parser, &at, &has_comma, &word)) {
        is_good &= add_item(parser, &word);
        word_free(&word);
    }
    return is_good && !parser->diagnostics->is_out_of_memory;
}

static bool parse_scalar(const struct parser *parser)
{
    const struct value_text *text = parser->text;
    struct word word;
    size_t first = 0;
    size_t last = text->length;

    while (first < last && !text->bytes[first].is_quoted && strchr(" \t", text->bytes[first].byte))
        first++;
    while (last > first && !text->bytes[last - 1].is_quoted &&
           strchr(" \t", text->bytes[last - 1].byte))
        last--;
    if (first == last)
        return value_error(parser, parser->origin, "'%s' needs a value", parser->option->key);
    for (size_t i = first; i < last; i++) {
        if (text->bytes[i].is_quoted != text->bytes[first].is_quoted) {
            struct origin origin = part_origin(parser, i, i + 1);

            return value_error(parser, &origin, "put the whole value in quotes, or none of it");
        }
    }
    if (!word_make(parser, first, last, &word))
        return false;
    bool is_good = add_item(parser, &word);
    word_free(&word);
    return is_good;
}

bool value_parse(const struct option *option, const struct value_text *text,
                 const struct origin *origin, struct source_files *files, struct setting *setting,
                 struct diagnostics *diagnostics)
{
    struct parser parser = {.option = option,
                            .text = text,
                            .origin = origin,
                            .files = files,
                            .setting = setting,
                            .diagnostics = diagnostics};

    if (!option->is_list)
        return parse_scalar(&parser);
    if (option->type == VALUE_SERVER)
        return parse_servers(&parser);
    return parse_list(&parser);
}

bool value_is_nothing(const struct value_text *text)
{
    char word[8] = "";
    size_t length = 0;

    for (size_t i = 0; i < text->length; i++) {
        if (length == sizeof(word) - 1)
            return false;
        if (!text->bytes[i].is_empty)
            word[length++] = text->bytes[i].byte;
    }
    word[length] = '\0';
    return length == 0 || word_index("off no none 0", word) >= 0;
}

void setting_clear(struct setting *setting)
{
    for (size_t i = 0; i < setting->count; i++)
        item_release(&setting->items[i]);
    free(setting->items);
    *setting = (struct setting){0};
}
