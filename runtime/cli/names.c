/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/record.h"

static const char *const adjectives[] = {
	"able",	  "agile",  "amber",  "ample",	"ardent", "austere", "awake",  "bold",	 "brave",  "breezy", "bright", "brisk",	 "calm",
	"candid", "clever", "coastal", "cosmic", "crisp",  "curious", "daring", "deft",	 "distant", "eager",  "early",	"earnest", "fair",
	"fearless", "festive", "fine",  "fluent", "fond",	  "frank",   "gallant", "gentle", "gifted", "glad",	"golden", "grand",  "hardy",
	"honest", "humble", "jolly",  "jovial", "keen",	  "kind",    "lively", "lucid",	 "lunar",  "merry",  "mighty", "modest", "nimble",
	"noble",  "patient", "placid", "polite", "proud",  "quiet",   "rapid",	"ready",  "robust", "salty",  "serene", "sharp",  "silent",
	"sincere", "snug",   "solar",  "steady", "stout",  "sturdy",  "sunny",	"swift",  "tidal",  "tidy",   "tireless", "upbeat", "valiant",
	"vivid",  "warm",   "watchful", "wise",	"witty",  "zesty",
};
/* people who sailed, charted, measured or built what sails */
static const char *const people[] = {
	"amundsen", "anson",   "baret",	  "baffin",  "banks",	"barents", "batten",   "beaufort", "bering",  "blackburn", "bligh",	   "bowditch",
	"cabot",    "cartier", "caudron", "cheng",   "cook",	"cowper",  "cousteau", "dampier",  "davis",   "dias",	   "drake",	   "earhart",
	"eriksson", "fitzroy", "flinders", "francis", "franklin", "gama",   "halley",   "hanno",	   "harrison", "hudson",	   "humboldt", "kamal",
	"lander",   "magellan", "maury",  "mercator", "mitchell", "nansen", "nelson",  "niebuhr",  "oconnor", "parry",	   "perouse",  "piri",
	"polo",	    "pytheas", "raleigh", "ross",    "sacagawea", "scoresby", "shackleton", "slocum", "somerville", "tasman", "tupaia",   "vancouver",
	"vespucci", "villiers", "wallis", "weddell", "wilkes",	"worsley", "xuanzang", "yermak",   "zacuto",  "zheng",
};

void record_random_name(uint32_t seed, char *out, size_t size)
{
	size_t a = seed % ARRAY_SIZE(adjectives), p = seed / ARRAY_SIZE(adjectives) % ARRAY_SIZE(people);

	snprintf(out, size, "%s_%s", adjectives[a], people[p]);
}
