/*
 * Random numbers of a run, in streams: each part of the simulation draws from one of its own, made
 * from the run's seed and the part's name. So a part that is switched off, or that draws once more,
 * changes nothing for the others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct draw {
	uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t draw_next(struct draw *draw)
{
	uint64_t mixed = draw->state += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
	return mixed ^ (mixed >> 31);
}

/* The stream of a part; `number`: of one of many like it. */
static inline struct draw draw_of(uint64_t seed, const char *part, uint64_t number)
{
	struct draw draw = {seed};

	for (const char *at = part; *at; at++)
		draw.state = draw_next(&draw) ^ (uint64_t)(unsigned char)*at;
	draw.state = draw_next(&draw) ^ number;
	draw.state = draw_next(&draw);
	return draw;
}

/* 0 to `count` - 1. */
static inline uint64_t draw_below(struct draw *draw, uint64_t count)
{
	return (uint64_t)(((unsigned __int128)draw_next(draw) * count) >> 64);
}

static inline int64_t draw_between(struct draw *draw, int64_t low, int64_t high)
{
	return low + (int64_t)draw_below(draw, (uint64_t)(high - low) + 1);
}

static inline bool draw_chance(struct draw *draw, unsigned percent)
{
	return draw_below(draw, 100) < percent;
}
