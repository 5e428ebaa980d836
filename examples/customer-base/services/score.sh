#!/bin/sh
# Prints the score of a customer, 0 to 100, and a level, as JSON.
#
# Arguments: customer id, year of the first order, open invoices, value of this order.
# Exit code 3: the id is none of ours.
case "$1" in
C-[0-9][0-9][0-9][0-9]) ;;
*)
    echo "no customer has the id $1" >&2
    exit 3
    ;;
esac

exec awk -v since="$2" -v open="$3" -v value="$4" 'BEGIN {
    years = 2026 - since
    score = 50 + 4 * (years > 10 ? 10 : years) - 15 * open - value / 500
    score = score < 0 ? 0 : score > 100 ? 100 : score
    level = score >= 80 ? "gold" : score >= 60 ? "silver" : "basic"
    printf "{\"score\": %d, \"level\": \"%s\"}\n", score, level
}'
