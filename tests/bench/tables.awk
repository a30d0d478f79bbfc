# SPDX-License-Identifier: BSD-2-Clause
#
# Tables, as text on standard output and as JSON in the file `json`, of the records that guest.sh
# wrote. For the awk of POSIX: mawk is Debian's. Tab-separated fields:
#   meta PART GUEST KERNEL COMMIT ROUNDS WHEN
#   run PART KIB MICROSECONDS GROUP ALLOW_DIO SETTINGS ROUND SECONDS BYTES CPU_US RSS_KIB
#   losses LAYOUT TOOL SETTINGS BAD LOST NEEDLESS STATUS SECONDS COMMANDS
#   figure PART NAME VALUE UNIT TARGET NOTE

BEGIN {
	FS = "\t"
	describe_targets()
}

# target PART KIB MICROSECONDS WHAT OURS THEIRS OP VALUE: the rate of the best of the groups OURS over
# that of the best of THEIRS (both regular expressions).
function target(part, kib, us, what, ours, theirs, op, value) {
	targets++
	t_cell[targets] = part SUBSEP kib SUBSEP us
	t_what[targets] = what
	t_ours[targets] = ours
	t_theirs[targets] = theirs
	t_op[targets] = op
	t_value[targets] = value
}

function copy_targets(kib, us, by_sgm_dd, by_peers,    cell) {
	cell = "copy, " kib " KiB, " us " us: best / "
	target("copy", kib, us, cell "sgm_dd", "^sgmmcp", "^sgm_dd$", ">=", by_sgm_dd)
	target("copy", kib, us, cell "best peer", "^sgmmcp", PEERS, ">=", by_peers)
}

function describe_targets(    default_) {
	PEERS = "^(sgm_dd|sgp_dd|sg_dd|ddpt|dd|nbdcopy|sha256sum|openssl)( |$)"
	copy_targets(64, 300, 10, 1.45)
	default_ = "copy, 64 KiB, 300 us: default"
	target("copy", 64, 300, default_ " / sgm_dd", "^sgmmcp$", "^sgm_dd$", ">=", 6)
	target("copy", 64, 300, default_ ", allow_dio=1 / sgm_dd", "^sgmmcp, dio$", "^sgm_dd$", ">=", 6)
	copy_targets(4, 300, 25, 1.8)
	copy_targets(64, 0, 1.15, 1.08)
	copy_targets(512, 0, 1.22, 1.08)
	copy_targets(4, 0, 1.0, 1.0)
	target("read", 64, 300, "read, 64 KiB, 300 us: best / fio's best", "^sgmmcp", "^fio", ">=", 1.35)
	target("fake", 512, 0, "fake_rw, 512 KiB: no copy / one copy", "^sgmmcp no copy$",
		"^sgmmcp one copy$", ">=", 1)
	target("fake", 512, 0, "fake_rw, 512 KiB: no copy / two copies", "^sgmmcp no copy$",
		"^sgmmcp two copies$", ">=", 1)
	target("uml", 64, 300, "uml, 64 KiB, 300 us: qd=8 / sgm_dd", "^sgmmcp qd=8", "^sgm_dd$", ">=", 3.5)
	target("uml", 64, 300, "uml, 64 KiB, 300 us: qd=8 / sgp_dd", "^sgmmcp qd=8", "^sgp_dd$", ">=", 1.8)
	describe_end_targets()
	target("smp", 512, "-", "two CPUs, virtio, 512 KiB: best / sgm_dd", "^sgmmcp", "^sgm_dd$", ">=", 4)
}

# end_target PART MICROSECONDS OURS THEIRS OP VALUE: where each tool has the transfer size it likes.
function end_target(part, us, ours, theirs, op, value) {
	target(part, "-", us, part (us == "-" ? "" : ", " us " us") ": " plain(ours) " / " plain(theirs), \
		ours, theirs, op, value)
}

function plain(pattern) {
	if (pattern == PEERS)
		return "best peer"
	gsub(/[\^$]/, "", pattern)
	return pattern
}

function pipe_targets(prefix, us) {
	end_target(prefix "pipe to sg", us, "^cat to sgmmcp$", "^dd after cat$", ">=", 1)
	end_target(prefix "pipe to sg", us, "^sgmmcp to sgmmcp$", "^dd after dd$", ">=", 1)
	end_target(prefix "sg to pipe", us, "^sgmmcp$", PEERS, ">=", 1)
}

function clone_targets(part, about,    i, depth) {
	for (i = split("1:4:default:1, rw:4, rw:default, rw", depth, ":"); i > 0; i--)
		target(part, 64, 300, about "time of three destinations / one, qd=" depth[i], \
			"^sgmmcp to one, " depth[i] "$", "^sgmmcp to three, " depth[i] "$", "<=", 1.25)
}

function describe_end_targets(    i, us) {
	for (i = split("0 300", us, " "); i > 0; i--) {
		end_target("sg to file", us[i], "^sgmmcp", PEERS, ">=", 1)
		pipe_targets("", us[i])
		pipe_targets("uml, ", us[i])
	}
	end_target("sg to O_DIRECT file", 300, "^sgmmcp", PEERS, ">=", 1)
	target("block to block", 64, 300, "block to block, 64 KiB, 300 us: qd=8 / dd", "^sgmmcp qd=8$", "^dd$", \
		">=", 4)
	target("block to block", 64, 300, "block to block, 300 us: best / nbdcopy's best", "^sgmmcp", \
		"^nbdcopy$", ">=", 1)
	target("block to null", 64, 300, "block to null, 64 KiB, 300 us: qd=8 / fio libaio", \
		"^sgmmcp qd=8$", "^fio", ">=", 0.95)
	target("block to null", 64, 300, "block to null, 300 us: best / nbdcopy's best", "^sgmmcp", \
		"^nbdcopy$", ">=", 1)
	clone_targets("one to three", "")
	clone_targets("one to three, one command at a time", "disks of one command at a time: ")
	end_target("uml, hash", 0, "^sgmmcp sha256$", "^sha256sum$", ">=", 1)
}

# --- input ---

$1 == "meta" {
	metas++
	m_text[metas] = sprintf("%-8s in %-5s kernel %s, %s of %s, %s rounds", $2, $3, $4, $5, $7, $6)
	m_json[metas] = sprintf("{\"part\": %s, \"guest\": %s, \"kernel\": %s, \"commit\": %s, " \
		"\"rounds\": %s, \"when\": %s}", quoted($2), quoted($3), quoted($4), quoted($5), $6, quoted($7))
}

# Of a group, what counts is the setting that was measured last, which is its best.
$1 == "run" {
	cell = $2 SUBSEP $3 SUBSEP $4
	key = cell SUBSEP $5
	if (!(cell in rows)) {
		cells++
		c_key[cells] = cell
		c_part[cells] = $2
		c_kib[cells] = $3
		c_us[cells] = $4
	}
	if (!(key in known)) {
		known[key] = 1
		rows[cell]++
		g_name[cell, rows[cell]] = $5
	}
	if ($8 == "start") {
		start_us[key] = $11
		start_bytes[key] = $10
	} else if ($8 == 0) {
		screened(key)
	} else {
		round_seen(key)
	}
}

$1 == "losses" {
	losses++
	for (i = 2; i <= 10; i++)
		l_field[losses, i] = $i
}

$1 == "figure" {
	figures++
	for (i = 2; i <= 7; i++)
		f_field[figures, i] = $i
}

# The first round is for choosing; its result stands only where there is no other.
function screened(key) {
	if (tries[key]++ && $10 / $9 <= screen_rate[key])
		return
	screen_rate[key] = $10 / $9
	screen_line[key] = $0
}

function round_seen(key) {
	n[key]++
	rate[key, n[key]] = $10 / $9 / 1e6
	cpu[key, n[key]] = $11
	bytes[key] = $10
	if ($12 + 0 > rss[key] + 0)
		rss[key] = $12
	allowed[key] = $6
	setting[key] = $7
}

function from_screen(key,    saved) {
	saved = $0
	$0 = screen_line[key]
	round_seen(key)
	$0 = saved
}

# --- arithmetic ---

# sort_values ARRAY KEY COUNT: into sorted[].
function sort_values(array, key, count,    i, j, value) {
	for (i = 1; i <= count; i++) {
		value = array[key, i]
		for (j = i - 1; j > 0 && sorted[j] > value; j--)
			sorted[j + 1] = sorted[j]
		sorted[j + 1] = value
	}
}

function median(array, key, count) {
	sort_values(array, key, count)
	return count % 2 ? sorted[(count + 1) / 2] : (sorted[count / 2] + sorted[count / 2 + 1]) / 2
}

function summarise(key) {
	if (!n[key])
		from_screen(key)
	mid[key] = median(rate, key, n[key])
	spread[key] = mid[key] ? (sorted[n[key]] - sorted[1]) / mid[key] * 100 : 0
	cpu_per_gib[key] = ""
	if (cpu[key, 1] != "" && !(key in start_us))
		cpu_per_gib[key] = median(cpu, key, n[key]) / 1e6 / bytes[key] * 1073741824
	else if (cpu[key, 1] != "" && bytes[key] > start_bytes[key])
		cpu_per_gib[key] = (median(cpu, key, n[key]) - start_us[key]) / 1e6 / \
			(bytes[key] - start_bytes[key]) * 1073741824
}

# best_of CELL PATTERN: the highest rate of the groups that match; sets best_name.
function best_of(cell, pattern,    i, key, highest) {
	highest = 0
	best_name = ""
	for (i = 1; i <= rows[cell]; i++) {
		key = cell SUBSEP g_name[cell, i]
		if (g_name[cell, i] ~ pattern && mid[key] > highest) {
			highest = mid[key]
			best_name = g_name[cell, i]
		}
	}
	return highest
}

function reached(value, op, limit) {
	if (op == ">=")
		return value >= limit
	if (op == "<=")
		return value <= limit
	return value > limit
}

function ratio(a, b) {
	return b ? a / b : 0
}

# --- text ---

function or_dash(value, format) {
	return value == "" ? "-" : sprintf(format, value)
}

function times(value) {
	return value ? sprintf("%.2f", value) : "-"
}

function cell_title(c) {
	return c_part[c] (c_kib[c] == "-" ? "" : ", " c_kib[c] " KiB") (c_us[c] == "-" ? "" : ", " c_us[c] " us a command")
}

function print_cell(c,    cell, i, key, sgm_dd, peer) {
	cell = c_key[c]
	sgm_dd = best_of(cell, "^sgm_dd$")
	peer = best_of(cell, PEERS)
	printf "\n%s%s\n", cell_title(c), best_name == "" ? "" : " (best peer: " best_name ")"
	printf "  %-28s %9s %7s %7s %7s %8s %9s  %s\n", "", "MB/s", "+-%", "/sgm_dd", "/peer", "CPU s/GiB", \
		"peak MiB", "settings"
	for (i = 1; i <= rows[cell]; i++) {
		key = cell SUBSEP g_name[cell, i]
		printf "  %-28s %9.1f %7.1f %7s %7s %8s %10s  %s\n", g_name[cell, i], mid[key], spread[key], \
			times(ratio(mid[key], sgm_dd)), times(ratio(mid[key], peer)), \
			or_dash(cpu_per_gib[key], "%.3f"), or_dash(rss[key] / 1024, "%.1f"), \
			setting[key] (allowed[key] ? " allow_dio=1" : "")
	}
}

# The sweep's groups are "sgmmcp IO qd=N" and the same with ", dio".
function print_sweep(c,    io, i, q, suffix, depths) {
	printf "\n%s\n  %-24s", cell_title(c), "MB/s at a depth of"
	depths = split("1 2 4 8 16 32 64", q, " ")
	for (i = 1; i <= depths; i++)
		printf "%9d", q[i]
	for (suffix = 0; suffix <= 1; suffix++)
		for (io = 0; io <= 1; io++) {
			printf "\n  allow_dio=%d %-12s", suffix, io ? "io=rw" : "io=sg_io"
			for (i = 1; i <= depths; i++)
				printf "%9.1f", mid[c_key[c], "sgmmcp " (io ? "rw" : "sg_io") " qd=" q[i] (suffix ? ", dio" : "")]
		}
	print ""
}

function verdict(ok) {
	return ok ? "reached" : "MISSED"
}

function print_figures(    i, limit) {
	for (i = 1; i <= figures; i++) {
		split(f_field[i, 6], limit, " ")
		printf "  %-5s  %-68s %8s %-10s %-9s %-7s %s\n", f_field[i, 2], f_field[i, 3], f_field[i, 4], \
			f_field[i, 5], f_field[i, 6], \
			limit[1] == "" ? "" : verdict(reached(f_field[i, 4] + 0, limit[1], limit[2] + 0)), \
			f_field[i, 7]
	}
}

function print_losses(    i) {
	for (i = 1; i <= losses; i++) {
		if (l_field[i, 2] != l_field[i - 1, 2])
			printf "\nlosses, %s bad: %s\n  %-14s %9s %11s %7s %9s %9s\n", l_field[i, 5], l_field[i, 2], \
				"blocks", "lost", "needlessly", "status", "s", "commands"
		printf "  %-14s %9d %11d %7d %9.3f %9d\n", l_field[i, 3], l_field[i, 6], l_field[i, 7], \
			l_field[i, 8], l_field[i, 9], l_field[i, 10]
	}
}

# --- JSON ---

function quoted(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	gsub(/[\001-\037]/, " ", text)
	return "\"" text "\""
}

function number(value, format) {
	return value == "" || value == "-" ? "null" : sprintf(format, value)
}

function json_run(c, i,    cell, key, sgm_dd, peer) {
	cell = c_key[c]
	key = cell SUBSEP g_name[cell, i]
	sgm_dd = best_of(cell, "^sgm_dd$")
	peer = best_of(cell, PEERS)
	return sprintf("{\"part\": %s, \"kib\": %s, \"latency_us\": %s, \"tool\": %s, \"settings\": %s, " \
		"\"allow_dio\": %d, \"rounds\": %d, \"bytes\": %.0f, \"mb_per_s\": %.3f, \"spread_percent\": %.2f, " \
		"\"ratio_to_sgm_dd\": %s, \"ratio_to_best_peer\": %s, \"cpu_s_per_gib\": %s, \"peak_rss_kib\": %s}",
		quoted(c_part[c]), number(c_kib[c], "%s"), number(c_us[c], "%s"), quoted(g_name[cell, i]), quoted(setting[key]),
		allowed[key], n[key], bytes[key], mid[key], spread[key], \
		number(sgm_dd ? mid[key] / sgm_dd : "", "%.4f"), number(peer ? mid[key] / peer : "", "%.4f"), \
		number(cpu_per_gib[key], "%.4f"), number(rss[key], "%d"))
}

function json_figure(i,    limit) {
	split(f_field[i, 6], limit, " ")
	return sprintf("{\"part\": %s, \"name\": %s, \"value\": %s, \"unit\": %s, \"target\": %s, " \
		"\"reached\": %s, \"note\": %s}", quoted(f_field[i, 2]), quoted(f_field[i, 3]), \
		f_field[i, 4] ~ /^[0-9.]+$/ ? f_field[i, 4] : quoted(f_field[i, 4]), quoted(f_field[i, 5]), \
		f_field[i, 6] == "" ? "null" : quoted(f_field[i, 6]), \
		limit[1] == "" ? "null" : (reached(f_field[i, 4] + 0, limit[1], limit[2] + 0) ? "true" : "false"), \
		quoted(f_field[i, 7]))
}

function json_loss(i) {
	return sprintf("{\"layout\": %s, \"tool\": %s, \"settings\": %s, \"bad_blocks\": %d, \"lost_blocks\": %d, " \
		"\"needlessly\": %d, \"exit_status\": %d, \"seconds\": %.6f, \"commands\": %d}", quoted(l_field[i, 2]), \
		quoted(l_field[i, 3]), quoted(l_field[i, 4]), l_field[i, 5], l_field[i, 6], l_field[i, 7], \
		l_field[i, 8], l_field[i, 9], l_field[i, 10])
}

function json_item(text, first) {
	printf "%s\n    %s", first ? "" : ",", text >json
}

# --- targets ---

function judge(t,    ours, theirs, our_name) {
	ours = best_of(t_cell[t], t_ours[t])
	our_name = best_name
	theirs = best_of(t_cell[t], t_theirs[t])
	t_ratio[t] = ratio(ours, theirs)
	t_names[t] = our_name " / " best_name
}

# How much longer than the longer of reading and writing alone a copy takes, for each allow_dio.
function judge_overlap(suffix,    cell, copy, alone) {
	cell = "overlap" SUBSEP 64 SUBSEP 2000
	copy = best_of(cell, "^sgmmcp copy" suffix "$")
	if (!copy)
		return
	alone = best_of(cell, "^sgmmcp read" suffix "$")
	if (best_of(cell, "^sgmmcp write" suffix "$") < alone)
		alone = best_of(cell, "^sgmmcp write" suffix "$")
	targets++
	t_what[targets] = "overlap, 2 ms: time of copy / longer of read, write" suffix
	t_names[targets] = "qd=16 / qd=8"
	t_op[targets] = "<="
	t_value[targets] = 1.10
	t_ratio[targets] = alone / copy
}

function print_targets(    t) {
	for (t = 1; t <= targets; t++)
		if (t_ratio[t])
			printf "  %-58s %7.3f  %s %-5s %-7s  %s\n", t_what[t], t_ratio[t], t_op[t], t_value[t], \
				verdict(reached(t_ratio[t], t_op[t], t_value[t])), t_names[t]
}

function json_target(t) {
	return sprintf("{\"what\": %s, \"ratio\": %.4f, \"target\": %s, \"reached\": %s}", quoted(t_what[t]), \
		t_ratio[t], quoted(t_op[t] " " t_value[t]), \
		reached(t_ratio[t], t_op[t], t_value[t]) ? "true" : "false")
}

function write_json(    c, i, first) {
	printf "{\n  \"guests\": [" >json
	for (i = 1; i <= metas; i++)
		json_item(m_json[i], i == 1)
	printf "\n  ],\n  \"runs\": [" >json
	first = 1
	for (c = 1; c <= cells; c++)
		for (i = 1; i <= rows[c_key[c]]; i++) {
			json_item(json_run(c, i), first)
			first = 0
		}
	printf "\n  ],\n  \"figures\": [" >json
	for (i = 1; i <= figures; i++)
		json_item(json_figure(i), i == 1)
	printf "\n  ],\n  \"losses\": [" >json
	for (i = 1; i <= losses; i++)
		json_item(json_loss(i), i == 1)
	printf "\n  ],\n  \"targets\": [" >json
	first = 1
	for (i = 1; i <= targets; i++)
		if (t_ratio[i]) {
			json_item(json_target(i), first)
			first = 0
		}
	printf "\n  ]\n}\n" >json
	close(json)
}

END {
	for (c = 1; c <= cells; c++)
		for (i = 1; i <= rows[c_key[c]]; i++)
			summarise(c_key[c] SUBSEP g_name[c_key[c], i])
	for (t = 1; t <= targets; t++)
		judge(t)
	judge_overlap("")
	judge_overlap(", dio")
	print "Measured:"
	for (i = 1; i <= metas; i++)
		print "  " m_text[i]
	print "\nTargets:"
	print_targets()
	if (figures) {
		print "\nFigures:"
		print_figures()
	}
	for (c = 1; c <= cells; c++)
		if (c_part[c] == "sweep")
			print_sweep(c)
		else
			print_cell(c)
	print_losses()
	write_json()
}
