#include "cconsole.h"

// The files of the console and of `/profile`, in the binary: a change of one of them makes this file be compiled again. AdminTests look
// that none is missing here. `#embed` is C23; our clang has it in every mode.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char actions_js[] = {
#embed "web/actions.js"
};
static const unsigned char active_js[] = {
#embed "web/active.js"
};
static const unsigned char app_js[] = {
#embed "web/app.js"
};
static const unsigned char changes_js[] = {
#embed "web/changes.js"
};
static const unsigned char changing_js[] = {
#embed "web/changing.js"
};
static const unsigned char console_css[] = {
#embed "web/console.css"
};
static const unsigned char console_html[] = {
#embed "web/console.html"
};
static const unsigned char dom_js[] = {
#embed "web/dom.js"
};
static const unsigned char explanations_js[] = {
#embed "web/explanations.js"
};
static const unsigned char finding_js[] = {
#embed "web/finding.js"
};
static const unsigned char flame_css[] = {
#embed "web/flame.css"
};
static const unsigned char flame_html[] = {
#embed "web/flame.html"
};
static const unsigned char flame_js[] = {
#embed "web/flame.js"
};
static const unsigned char format_js[] = {
#embed "web/format.js"
};
static const unsigned char graph_js[] = {
#embed "web/graph.js"
};
static const unsigned char histograms_js[] = {
#embed "web/histograms.js"
};
static const unsigned char history_js[] = {
#embed "web/history.js"
};
static const unsigned char link_js[] = {
#embed "web/link.js"
};
static const unsigned char map_js[] = {
#embed "web/map.js"
};
static const unsigned char martlet_svg[] = {
#embed "web/martlet.svg"
};
static const unsigned char model_js[] = {
#embed "web/model.js"
};
static const unsigned char names_js[] = {
#embed "web/names.js"
};
static const unsigned char overview_js[] = {
#embed "web/overview.js"
};
static const unsigned char plot_js[] = {
#embed "web/plot.js"
};
static const unsigned char poll_js[] = {
#embed "web/poll.js"
};
static const unsigned char problems_js[] = {
#embed "web/problems.js"
};
static const unsigned char process_js[] = {
#embed "web/process.js"
};
static const unsigned char quantiles_js[] = {
#embed "web/quantiles.js"
};
static const unsigned char rules_js[] = {
#embed "web/rules.js"
};
static const unsigned char search_js[] = {
#embed "web/search.js"
};
static const unsigned char statistics_txt[] = {
#embed "web/statistics.txt"
};
static const unsigned char stats_css[] = {
#embed "web/stats.css"
};
static const unsigned char stats_js[] = {
#embed "web/stats.js"
};
static const unsigned char try_js[] = {
#embed "web/try.js"
};
static const unsigned char wrong_js[] = {
#embed "web/wrong.js"
};

#define FILE_OF(name, bytes) {name, bytes, sizeof bytes}

static const martlet_console_file files[] = {
    FILE_OF("actions.js", actions_js),
    FILE_OF("active.js", active_js),
    FILE_OF("app.js", app_js),
    FILE_OF("changes.js", changes_js),
    FILE_OF("changing.js", changing_js),
    FILE_OF("console.css", console_css),
    FILE_OF("console.html", console_html),
    FILE_OF("dom.js", dom_js),
    FILE_OF("explanations.js", explanations_js),
    FILE_OF("finding.js", finding_js),
    FILE_OF("flame.css", flame_css),
    FILE_OF("flame.html", flame_html),
    FILE_OF("flame.js", flame_js),
    FILE_OF("format.js", format_js),
    FILE_OF("graph.js", graph_js),
    FILE_OF("histograms.js", histograms_js),
    FILE_OF("history.js", history_js),
    FILE_OF("link.js", link_js),
    FILE_OF("map.js", map_js),
    FILE_OF("martlet.svg", martlet_svg),
    FILE_OF("model.js", model_js),
    FILE_OF("names.js", names_js),
    FILE_OF("overview.js", overview_js),
    FILE_OF("plot.js", plot_js),
    FILE_OF("poll.js", poll_js),
    FILE_OF("problems.js", problems_js),
    FILE_OF("process.js", process_js),
    FILE_OF("quantiles.js", quantiles_js),
    FILE_OF("rules.js", rules_js),
    FILE_OF("search.js", search_js),
    FILE_OF("statistics.txt", statistics_txt),
    FILE_OF("stats.css", stats_css),
    FILE_OF("stats.js", stats_js),
    FILE_OF("try.js", try_js),
    FILE_OF("wrong.js", wrong_js),
};
const size_t martlet_console_files_count = sizeof files / sizeof files[0];

const martlet_console_file *martlet_console_table(void) { return files; }
