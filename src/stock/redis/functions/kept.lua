-- The rows of sales as the ledger had them, for gates that cannot ask it. What is in a row only C
-- reads. A row is of the epoch that the sale was begun with when it was kept: begin() forgets it,
-- and only a sale that is armed, behind its fence, tells one.

local KEPT, LOG = '{ps:0}:i', '{ps:0}:j' -- numbers of sales that may have one; which log the ledger is filled from

local function keep_row(keys, args)
	local key = keys[1]
	local number, epoch, change = unpack_bin('<IIi8', args[2])
	local m, kept = call('HMGET', key .. ':m', 'epoch', 'version'), call('HMGET', key .. ':t', 'epoch', 'change')
	if tonumber(m[1] or 0) ~= epoch or tonumber(m[2] or 0) ~= VERSION then -- begun anew, or another library's
		return pack('<B', STALE)
	end
	if not kept[1] or tonumber(kept[1]) ~= epoch or tonumber(kept[2]) <= change then
		call('HSET', key .. ':t', 'epoch', epoch, 'change', change, 'row', args[3])
		call('ZADD', KEPT, number, number)
	end
	return pack('<B', 0)
end

local function recall_row(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local kept = call('HMGET', sale.key .. ':t', 'epoch', 'row')
	if not kept[1] or tonumber(kept[1]) ~= sale.epoch then
		return pack('<BI', UNKNOWN_SALE, sale.epoch)
	end
	return pack('<BII', 0, sale.epoch, #kept[2]) .. kept[2]
end

local function kept_sales(_, args)
	local after, most = unpack_bin('<II', args[2])
	local found = call('ZRANGE', KEPT, '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, most)
	local parts = {pack('<BI', 0, #found)}
	for i = 1, #found do
		parts[i + 1] = pack('<I', tonumber(found[i]))
	end
	return concat(parts)
end

local function keep_log(_, args)
	call('HSET', LOG, 'row', args[2])
	return pack('<B', 0)
end

local function recall_log()
	local row = call('HGET', LOG, 'row')
	if not row then
		return pack('<BI', UNKNOWN_SALE, 0)
	end
	return pack('<BI', 0, #row) .. row
end
