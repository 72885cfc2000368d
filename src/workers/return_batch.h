/* Messages on their way home: many at once, those of one lane together. */
#pragma once

#include "workers/message.h"

/*
 * `scratch` has room for `count`; the order of `messages` is lost. The reply lanes have room for
 * everything that can be in flight.
 */
void return_batch(struct message **messages, void **scratch, size_t count);
