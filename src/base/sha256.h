/* SHA-256 (FIPS 180-4). Pure functions; any thread. */
#pragma once

#include <stdint.h>
#include "text/slice.h"

enum { SHA256_SIZE = 32, SHA256_TEXT_SIZE = 2 * SHA256_SIZE + 1 };
void sha256(struct slice data, uint8_t hash[static SHA256_SIZE]);
void sha256_hex(struct slice data, char text[static SHA256_TEXT_SIZE]);
