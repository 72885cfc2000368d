#include "model/labels.h"

#include <errno.h>
#include <string.h>
#include "base/siphash.h"
#include "model/payment.h"

bool labels_reference_valid(struct slice reference)
{
	return reference.size <= ORDER_REFERENCE_MAX && payment_reference_valid(reference);
}

static bool name_valid(const char *name)
{
	size_t size = strlen(name);

	if (size < 1 || size > METADATA_NAME_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
		if (name[i] < '!' || name[i] > '~')
			return false;
	return true;
}

int labels_write_metadata(const json_t *object, char text[static METADATA_MAX])
{
	const char *name;
	json_t *value;
	size_t size;

	if (!json_is_object(object) || json_object_size(object) > METADATA_PAIRS_MAX)
		return -EINVAL;
	json_object_foreach((json_t *)object, name, value)
	{
		if (!json_is_string(value) || !name_valid(name))
			return -EINVAL;
	}
	if (json_object_size(object) == 0)
		return 0;
	size = json_dumpb(object, text, METADATA_MAX, JSON_COMPACT | JSON_SORT_KEYS);
	return size > 0 && size <= METADATA_MAX ? (int)size : -EINVAL;
}

bool labels_metadata_valid(struct slice metadata)
{
	char text[METADATA_MAX];
	json_t *object;
	int size;

	if (metadata.size < 1 || metadata.size > METADATA_MAX)
		return false;
	object = json_loadb(metadata.data, metadata.size, JSON_REJECT_DUPLICATES, NULL);
	size = object ? labels_write_metadata(object, text) : -EINVAL;
	json_decref(object);
	return size > 0 && slice_equal(metadata, (struct slice){text, (size_t)size});
}

uint64_t labels_fingerprint(const struct labels *labels)
{
	static const struct siphash_key key = {0};
	char text[ORDER_REFERENCE_MAX + 1 + METADATA_MAX];
	size_t size = labels->reference.size;
	uint64_t fingerprint;

	if (labels->reference.size == 0 && labels->metadata.size == 0)
		return 0;
	if (size)
		memcpy(text, labels->reference.data, size);
	text[size++] = ' '; /* which no reference has */
	if (labels->metadata.size)
		memcpy(text + size, labels->metadata.data, labels->metadata.size);
	fingerprint = siphash64(&key, text, size + labels->metadata.size);
	return fingerprint ? fingerprint : 1;
}
