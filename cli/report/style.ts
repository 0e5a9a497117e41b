// The report's style sheet, light or dark by the reader's setting. The colours of lines have a contrast of at least 3 to 1 on
// both backgrounds and differ in lightness; dashes distinguish lines without colour. The palette follows Okabe and Ito.

/** Styles of clients' lines: colour on a light and on a dark background, and dashes. */
const LINES = [
  ['#0072b2', '#56b4e9', ''],
  ['#b35900', '#e69f00', '7 3'],
  ['#00785a', '#2fc79b', '2 3'],
  ['#a64d79', '#e08fbb', '9 3 2 3'],
  ['#6b5b00', '#d9c836', '4 2'],
  ['#5a4fcf', '#a79cff', '12 4'],
  ['#9c2f2f', '#ff8f80', '2 2 6 2'],
  ['#4d6b78', '#9fc0cf', '1 4'],
] as const

const variables = (ground: 0 | 1): string => LINES.map((line, i) => `--c${i}:${line[ground]}`).join(';')

const lineRules = LINES.map(
  ([, , dashes], i) =>
    `.c${i}{--line:var(--c${i})}${dashes === '' ? '' : `.c${i} path{stroke-dasharray:${dashes}}`}`,
).join('\n')

export const STYLE = `
:root{--ground:#fff;--raised:#f5f6f8;--text:#16181d;--quiet:#5b6270;--rule:#d8dce3;--good:#0b6b3a;--bad:#a8201a;--wait:#8a5a00;--mark:#e8f1fb;${variables(0)}}
@media (prefers-color-scheme:dark){:root{--ground:#14161a;--raised:#1d2026;--text:#eceef2;--quiet:#a2a9b6;--rule:#363b45;--good:#5fd39a;--bad:#ff8f80;--wait:#f0b95a;--mark:#1c2c40;${variables(1)}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 20px 60px;max-width:1120px;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
h1{font-size:26px;margin:8px 0 4px;line-height:1.25}
h2{font-size:19px;margin:36px 0 8px;padding-top:14px;border-top:1px solid var(--rule)}
h3{font-size:16px;margin:20px 0 6px}
p{margin:6px 0;max-width:75ch}
.state{font-size:14px;font-weight:600;vertical-align:middle;padding:2px 10px;border-radius:12px;border:1px solid currentColor}
.complete{color:var(--good)}.failed{color:var(--bad)}.unfinished{color:var(--wait)}
.message{overflow-wrap:anywhere}
.none,.note,.quiet,.chart span{color:var(--quiet)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:10px 24px;margin:16px 0 0}
dt{color:var(--quiet);font-size:13px}
dd{margin:0;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(440px,100%),1fr));gap:20px 24px;margin-top:12px}
figure{margin:0}
.chart svg{display:block;width:100%;height:auto}
.chart text{font-size:12px;fill:var(--text)}
.axes line{stroke:var(--rule)}
.axes text{fill:var(--quiet)}
path{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke:var(--line)}
circle{fill:var(--line)}
.mean{--line:var(--text)}
.mean path{stroke-width:3.2}
.many{--line:var(--quiet)}
.many path{stroke-width:.7;opacity:.6}.many circle{opacity:0}
.labels text{fill:var(--line)}
.labels .mean{font-weight:700}
${lineRules}
.row{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:14px;margin:0 0 18px}
.row svg{display:block;width:100%;height:auto;background:#000}
.row figcaption{font-size:13px;padding-top:3px;overflow-wrap:anywhere}
.key{padding:0 6px;border-radius:4px;color:#000}
.key.truth{background:#56d6ff}.key.predicted{background:#ffb000}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:6px 12px 6px 0;border-bottom:1px solid var(--rule)}
thead th{font-weight:600;color:var(--quiet);font-size:13px}
tbody th{font-weight:500}
.number,.comparison td,.comparison thead th:not(:first-child){text-align:right}
.rounds th:nth-child(3),.rounds th:nth-child(4),.rounds th:nth-child(6){text-align:right}
.rounds tbody th{white-space:nowrap}
.comparison td.mean{font-weight:600;white-space:nowrap}
.others{display:block;font-weight:400;font-size:12px;color:var(--quiet)}
.own{color:var(--quiet)}
.highlighted{background:var(--mark)}
.highlighted th{font-weight:700;padding-left:8px}
.lost td:last-child{color:var(--bad)}
.lost .quiet{color:var(--quiet)}
@media (max-width:640px){.row{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media print{.charts,.row{break-inside:avoid}}
`
