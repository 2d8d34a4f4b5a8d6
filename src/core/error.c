/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.c - wording set-up errors.
 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *error, int exit_code, const char *format, ...)
{
    char text[sizeof(error->text)]; /* the arguments may point into the old text */
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    memcpy(error->text, text, sizeof(text));
    error->exit_code = exit_code;
    return false;
}

bool error_prefix(struct error *error, const char *format, ...)
{
    char context[sizeof(error->text)];
    char whole[2 * sizeof(error->text) + 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(context, sizeof(context), format, arguments);
    va_end(arguments);
    snprintf(whole, sizeof(whole), "%s: %s", context, error->text);
    memcpy(error->text, whole, sizeof(error->text) - 1);
    error->text[sizeof(error->text) - 1] = '\0';
    return false;
}
