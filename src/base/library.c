#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

bool library_load(const char *file, const struct library_symbol *symbols, size_t count)
{
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; handle && i < count; i++) {
		void *symbol = dlsym(handle, symbols[i].name);

		memcpy(symbols[i].place, &symbol, sizeof(symbol)); /* ISO C knows no cast from an object's address to a function's */
		if (!symbol)
			handle = NULL;
	}
	return handle != NULL;
}
