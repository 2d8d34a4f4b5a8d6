/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_health.c - checks that cannot work, and keys that would do nothing.
 */
#include "config/validate_health.h"

#include <string.h>

#include "core/base.h"
#include "health/exchange.h"

/* Keys that only one type of check reads. */
static const struct {
    enum option_id option;
    enum exchange_type type;
} owners[] = {
    {HEALTH_SEND, EXCHANGE_EXPECT}, {HEALTH_EXPECT, EXCHANGE_EXPECT}, {HEALTH_PATH, EXCHANGE_HTTP},
    {HEALTH_HOST, EXCHANGE_HTTP},   {HEALTH_STATUS, EXCHANGE_HTTP},
};

static void check_owners(const struct settings *settings, const struct section *section,
                         struct diagnostics *diagnostics)
{
    enum exchange_type type = (enum exchange_type)settings_word(settings, section, HEALTH_TYPE);

    for (size_t i = 0; i < ARRAY_LENGTH(owners); i++) {
        const struct setting *value = section_value(section, owners[i].option);

        if (value->count > 0 && owners[i].type != type)
            diagnostics_error(diagnostics, TOPIC_VALUE, &value->origin,
                              "'%s' is for type = %s; this check has type = %s",
                              option_table[owners[i].option].key,
                              exchange_type_word(owners[i].type), exchange_type_word(type));
    }
}

static void check_tls(const struct settings *settings, const struct section *section,
                      struct diagnostics *diagnostics)
{
    enum exchange_type type = (enum exchange_type)settings_word(settings, section, HEALTH_TYPE);
    const struct setting *tls = section_value(section, HEALTH_TLS);

    if (tls->count == 0)
        return;
    if (type == EXCHANGE_TCP && tls->items[0].word < 0)
        diagnostics_error(diagnostics, TOPIC_TLS, &tls->origin,
                          "a check of type = tcp makes no handshake; type = tls does");
}

/* What goes into one line of a request must not be able to end it. */
static void check_request(const struct settings *settings, const struct section *section,
                          enum option_id option, struct diagnostics *diagnostics)
{
    const struct item *item = settings_item(settings, section, option);

    if (item == NULL)
        return;
    for (const char *byte = item->text; *byte != '\0'; byte++) {
        if ((unsigned char)*byte > 0x20 && (unsigned char)*byte < 0x7f)
            continue;
        diagnostics_error(diagnostics, TOPIC_VALUE, &item->origin,
                          "'%s' has a blank or a byte beyond ASCII; write it as %%20",
                          option_table[option].key);
        return;
    }
    if (option == HEALTH_PATH && item->text[0] != '/')
        diagnostics_error(diagnostics, TOPIC_VALUE, &item->origin, "a path starts with a slash");
}

void validate_health(const struct settings *settings, const struct section *section,
                     struct diagnostics *diagnostics)
{
    const struct item *timeout = settings_item(settings, section, HEALTH_TIMEOUT);
    const struct item *interval = settings_item(settings, section, HEALTH_INTERVAL);
    const struct item *fast = settings_item(settings, section, HEALTH_FAST_INTERVAL);
    const struct item *down = settings_item(settings, section, HEALTH_DOWN_INTERVAL);
    const struct item *const times[] = {timeout, interval, fast, down};
    const struct origin *place = &section->origin;

    if (word_index("off tcp tls", section->name) >= 0)
        diagnostics_error(diagnostics, TOPIC_VALUE, &section->origin,
                          "'%s' is what pools call a built-in check; give this section another "
                          "name",
                          section->name);
    if (timeout != NULL && timeout->origin.file != NULL)
        place = &timeout->origin;
    else if (interval != NULL && interval->origin.file != NULL)
        place = &interval->origin;
    if (timeout != NULL && interval != NULL && timeout->number > interval->number)
        diagnostics_error(diagnostics, TOPIC_TIMEOUT, place,
                          "timeout %s is above interval %s: the next check would be due before "
                          "this one has an answer",
                          timeout->text, interval->text);
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
        if (times[i] != NULL && times[i]->number == 0)
            diagnostics_error(diagnostics, TOPIC_VALUE, &times[i]->origin,
                              "the times of a check cannot be off; health = off in [pool] does "
                              "without checks");
    }
    check_owners(settings, section, diagnostics);
    check_tls(settings, section, diagnostics);
    check_request(settings, section, HEALTH_PATH, diagnostics);
    check_request(settings, section, HEALTH_HOST, diagnostics);
}
