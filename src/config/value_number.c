/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_number.c - reading numbers, each checked against its range before it is used.
 */
#include "config/value_number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/rate.h"
#include "config/value.h"

const char *value_read_digits(const char *string, int64_t most, int64_t *number)
{
    const char *start = string;

    *number = 0;
    for (; *string >= '0' && *string <= '9'; string++) {
        int digit = *string - '0';

        if (*number > (most - digit) / 10)
            return NULL;
        *number = *number * 10 + digit;
    }
    return string == start ? NULL : string;
}

static bool parse_bool(const char *word, struct item *item, struct error *error)
{
    static const char words[] = "no yes off on false true";
    int index = word_index(words, word);

    if (index < 0)
        return error_set(error, 0, "'%s' is none of: yes no on off true false", word);
    item->number = index % 2;
    return true;
}

static bool parse_int(const struct option *option, const char *word, struct item *item,
                      struct error *error)
{
    const char *end = value_read_digits(word, INT64_MAX, &item->number);

    if (end == NULL || *end != '\0' || item->number < option->least || item->number > option->most)
        return error_set(error, 0, "'%s' must be a number from %lld to %lld%s%s", word,
                         (long long)option->least, (long long)option->most,
                         option->words == NULL ? "" : " or ",
                         option->words == NULL ? "" : option->words);
    return true;
}

struct unit {
    const char *word;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {"d", (int64_t)86400 * 1000000},
    {"h", (int64_t)3600 * 1000000},
    {"m", (int64_t)60 * 1000000},
    {"s", 1000000},
    {"ms", 1000},
    {"us", 1},
};

/* One number with its unit, such as 2.5s; NULL when it is none, else what follows. Units must be
   smaller than number `*unit` of the table. */
static const char *read_duration_part(const char *string, size_t *unit, int64_t *total)
{
    int64_t whole;
    int64_t fraction = 0;
    int64_t scale = 1;

    string = value_read_digits(string, VALUE_DURATION_MAX, &whole);
    if (string == NULL)
        return NULL;
    if (*string == '.') {
        const char *digits = ++string;

        string = value_read_digits(digits, 999999, &fraction);
        if (string == NULL || string - digits > 6)
            return NULL;
        for (; digits < string; digits++)
            scale *= 10;
    }
    size_t length = strspn(string, "dhmsu");
    for (size_t i = *unit; i < ARRAY_LENGTH(duration_units); i++) {
        int64_t factor = duration_units[i].factor;

        if (strlen(duration_units[i].word) != length ||
            memcmp(duration_units[i].word, string, length) != 0)
            continue;
        if (whole > VALUE_DURATION_MAX / factor)
            return NULL;
        *total += whole * factor + fraction * factor / scale;
        *unit = i + 1;
        return *total > VALUE_DURATION_MAX ? NULL : string + length;
    }
    return NULL;
}

static bool parse_duration(const struct option *option, const char *word, struct item *item,
                           struct error *error)
{
    const char *rest = word;
    size_t length = strlen(word);
    size_t unit = 0;

    item->number = 0;
    if (strcmp(word, "0") == 0 || strcmp(word, "off") == 0)
        return true;
    if (length > 0 && length <= 12 && strspn(word, "0123456789") == length) {
        return error_set(error, VALUE_LACKS_UNIT, "'%s' needs a unit: %ss, %sm, %sh or %sms", word,
                         word, word, word, word);
    }
    do {
        rest = read_duration_part(rest, &unit, &item->number);
        if (rest == NULL)
            return error_set(error, 0,
                             "'%s' is no duration of at most 3650d, such as 250ms, 30s, 1m30s "
                             "or off",
                             word);
    } while (*rest != '\0');
    int64_t most = option->most == 0 ? VALUE_DURATION_MAX : option->most;
    if (item->number != 0 && item->number < option->least)
        return error_set(error, 0, "'%s' is too short; the least is %lldms or off", word,
                         (long long)(option->least / 1000));
    if (item->number > most)
        return error_set(error, 0, "'%s' is too long; the most is %llds", word,
                         (long long)(most / 1000000));
    return true;
}

static const struct unit size_units[] = {
    {"", 1},        {"k", 1 << 10},   {"K", 1 << 10}, {"KiB", 1 << 10}, {"m", 1 << 20},
    {"M", 1 << 20}, {"MiB", 1 << 20}, {"g", 1 << 30}, {"G", 1 << 30},   {"GiB", 1 << 30},
};

/* A number of bytes as people write it. */
static void size_text(int64_t bytes, char *buffer, size_t size)
{
    if (bytes >= 1 << 20 && bytes % (1 << 20) == 0)
        snprintf(buffer, size, "%lldm", (long long)(bytes >> 20));
    else if (bytes % 1024 == 0)
        snprintf(buffer, size, "%lldk", (long long)(bytes >> 10));
    else
        snprintf(buffer, size, "%lld", (long long)bytes);
}

static bool parse_size(const struct option *option, const char *word, struct item *item,
                       struct error *error)
{
    int64_t most = option->most == 0 ? INT64_MAX >> 1 : option->most;
    const char *unit = value_read_digits(word, INT64_MAX >> 30, &item->number);
    char least_text[32];
    char most_text[32];

    if (unit != NULL && option->is_percent && strcmp(unit, "%") == 0) {
        item->is_percent = true;
        if (item->number >= 1 && item->number <= 100)
            return true;
        return error_set(error, 0, "'%s' must be from 1%% to 100%%", word);
    }
    for (size_t i = 0; unit != NULL && i < ARRAY_LENGTH(size_units); i++) {
        if (strcmp(unit, size_units[i].word) != 0)
            continue;
        item->number *= size_units[i].factor;
        if (item->number >= option->least && item->number <= most)
            return true;
        size_text(option->least, least_text, sizeof(least_text));
        size_text(most, most_text, sizeof(most_text));
        return error_set(error, 0, "'%s' must be %s%s%s%s", word,
                         option->most == 0 ? "at least " : "from ", least_text,
                         option->most == 0 ? "" : " to ", option->most == 0 ? "" : most_text);
    }
    return error_set(
        error, 0, "'%s' is no size such as 4096, 64k, 1m or 2g%s%s%s%s", word,
        option->is_percent ? ", or share such as 25%" : "", option->words == NULL ? "" : ", or ",
        option->words == NULL ? "" : option->words,
        unit != NULL && strpbrk(unit, "bB") != NULL ? "; k is 1024 bytes, and so is KiB" : "");
}

static bool parse_percent(const char *word, struct item *item, struct error *error)
{
    const char *end = value_read_digits(word, 1000, &item->number);

    if (end == NULL || strcmp(end, "%") != 0 || item->number > 100)
        return error_set(error, 0, "'%s' must be from 0%% to 100%%", word);
    item->is_percent = true;
    return true;
}

static const struct unit count_units[] = {
    {"", 1}, {"k", 1000}, {"K", 1000}, {"m", 1000000}, {"M", 1000000}};

static const struct unit *find_unit(const struct unit *units, size_t count, const char *word,
                                    size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].word) == length && memcmp(units[i].word, word, length) == 0)
            return &units[i];
    }
    return NULL;
}

/* A number with its unit and "/s". */
static bool parse_rate(const struct option *option, const char *word, struct item *item,
                       struct error *error)
{
    const char *text = value_read_digits(word, RATE_MAX, &item->number);
    const char *slash = text == NULL ? NULL : strchr(text, '/');
    const struct unit *unit = NULL;

    if (strcmp(word, "0") == 0)
        return true;
    if (slash != NULL && strcmp(slash, "/s") == 0)
        unit =
            option->is_bytes
                ? find_unit(size_units, ARRAY_LENGTH(size_units), text, (size_t)(slash - text))
                : find_unit(count_units, ARRAY_LENGTH(count_units), text, (size_t)(slash - text));
    if (unit == NULL)
        return error_set(error, 0, "'%s' is no rate such as %s, or off", word,
                         option->is_bytes ? "4096/s, 64k/s or 1m/s (bytes)" : "100/s or 2k/s");
    if (item->number > RATE_MAX / unit->factor || item->number == 0)
        return error_set(error, 0, "'%s' must be from 1/s to %s, or off", word,
                         option->is_bytes ? "8g/s" : "8589m/s");
    item->number *= unit->factor;
    return true;
}

static bool parse_mode(const char *word, struct item *item, struct error *error)
{
    size_t length = strlen(word);

    if (length < 3 || length > 4 || strspn(word, "01234567") != length ||
        (length == 4 && word[0] != '0'))
        return error_set(error, 0, "'%s' is no file mode: three octal digits such as 0660", word);
    item->number = strtol(word, NULL, 8);
    return true;
}

static bool parse_range(const struct option *option, const char *word, struct item *item,
                        struct error *error)
{
    int64_t last;
    const char *end = value_read_digits(word, INT32_MAX, &item->number);

    item->last = item->number;
    if (end != NULL && *end == '-' && (end = value_read_digits(end + 1, INT32_MAX, &last)) != NULL)
        item->last = last;
    if (end == NULL || *end != '\0' || item->number < option->least || item->last > option->most ||
        item->last < item->number)
        return error_set(error, 0, "'%s' must be a number from %lld to %lld, or two such as %s",
                         word, (long long)option->least, (long long)option->most, option->fallback);
    return true;
}

bool value_number_parse(const struct option *option, const char *word, struct item *item,
                        struct error *error)
{
    switch (option->type) {
    case VALUE_BOOL:
        return parse_bool(word, item, error);
    case VALUE_INT:
        return parse_int(option, word, item, error);
    case VALUE_DURATION:
        return parse_duration(option, word, item, error);
    case VALUE_SIZE:
        return parse_size(option, word, item, error);
    case VALUE_PERCENT:
        return parse_percent(word, item, error);
    case VALUE_MODE:
        return parse_mode(word, item, error);
    case VALUE_RATE:
        return parse_rate(option, word, item, error);
    case VALUE_RANGE:
        return parse_range(option, word, item, error);
    case VALUE_STRING:
    case VALUE_PATH:
    case VALUE_GLOB:
    case VALUE_ENUM:
    case VALUE_ADDR:
    case VALUE_IP:
    case VALUE_PREFIX:
    case VALUE_REF:
    case VALUE_SERVER:
    case VALUE_SNI_MAP:
    case VALUE_SNI:
    case VALUE_ALPN:
    case VALUE_SAN:
    case VALUE_BYTES:
        break;
    }
    return error_set(error, 0, "'%s' is no number", option->key);
}
