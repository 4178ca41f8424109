// Reads Parquet files with hyparquet, which shares no code with Arrow or DuckDB; otherwise as parquet_reader.py. Decimals come as doubles,
// because that is what hyparquet makes of them. The argument is the folder node_modules that scripts/setup-clients filled.
import { readFileSync } from 'node:fs'

const modules = process.argv[2]
const { parquetReadObjects } = await import(`${modules}/hyparquet/src/index.js`)
const { compressors } = await import(`${modules}/hyparquet-compressors/src/index.js`)

const parsers = {
  timestampFromMicroseconds: micros => micros,
  dateFromDays: days => days,
  jsonFromBytes: bytes => bytes && new TextDecoder().decode(bytes),
}

function hex(bytes) {
  return Buffer.from(bytes).toString('hex')
}

function present(value, form) {
  if (value === null || value === undefined) return null
  if (form === 'hex') return hex(value)
  if (form === 'text') return String(value)
  if (form === 'float4' || form === 'float8') {
    const bytes = Buffer.alloc(form === 'float4' ? 4 : 8)
    if (form === 'float4') bytes.writeFloatBE(value)
    else bytes.writeDoubleBE(value)
    return hex(bytes)
  }
  if (form === 'interval') {
    const bytes = Buffer.alloc(16)
    bytes.writeBigInt64BE(BigInt(value.microseconds), 0)
    bytes.writeInt32BE(value.days, 8)
    bytes.writeInt32BE(value.months, 12)
    return '\\x' + hex(bytes)
  }
  return value
}

const request = JSON.parse(readFileSync(0, 'utf8'))
const rows = []
for (const name of request.files) {
  const bytes = readFileSync(name)
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  rows.push(...await parquetReadObjects({ file, compressors, parsers, utf8: false }))
}
rows.sort((a, b) => a.id - b.id)
const out = {}
for (const [name, form] of Object.entries(request.forms)) out[name] = rows.map(row => present(row[name], form))
// A BigInt is a number of JSON, however long.
const text = JSON.stringify(out, (_, value) => typeof value === 'bigint' ? `@@${value}` : value === undefined ? null : value)
process.stdout.write(text.replace(/"@@(-?\d+)"/g, '$1'))
