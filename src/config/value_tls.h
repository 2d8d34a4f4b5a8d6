/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_tls.h - the forms of words that TLS knows. Each function answers NULL when the word is
 * right, else what is wrong with it, for "'WORD': ...".
 */
#ifndef CULVERT_CONFIG_VALUE_TLS_H
#define CULVERT_CONFIG_VALUE_TLS_H

/* What clients ask for: api.example.com, *.example.com, or - for no name. */
const char *value_sni_fault(const char *word);

/* A host name or an address literal, as the name of a server. */
const char *value_name_fault(const char *word);

/* An application protocol: 1 to 255 bytes (RFC 7301). */
const char *value_alpn_fault(const char *word);

/* dns:PATTERN, uri:PATTERN, ip:ADDRESS or cn:PATTERN. */
const char *value_san_fault(const char *word);

#endif
