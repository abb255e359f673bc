// Colours and measures of `/profile`, light and dark.

enum FlameStyle {
    static let text = """
        :root { color-scheme: light dark; --ground: #fbfaf8; --ink: #1d2730; --quiet: #5d6a75; --line: #dcd8d0; --panel: #ffffff;
          --own: #f2b36b; --runtime: #b9cbe8; --library: #a9d6c3; --kernel: #d9c3e6; --root: #d9d6d0; --found: #d6336c; --frameInk: #22180d; --accent: #0a5c8f; }
        @media (prefers-color-scheme: dark) {
          :root { --ground: #12161a; --ink: #dbe3ea; --quiet: #93a2af; --line: #2b343c; --panel: #1a2026;
            --own: #a8692a; --runtime: #3d5a86; --library: #2f6b56; --kernel: #64487a; --root: #3a4048; --found: #ff7aa8; --frameInk: #f4ede4; --accent: #7cc4f2; }
        }
        * { box-sizing: border-box; }
        body { margin: 0; padding: 1rem clamp(.6rem, 2vw, 1.6rem); font: 14px/1.5 system-ui, sans-serif; background: var(--ground); color: var(--ink); }
        header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; }
        h1 { font-size: 1.15rem; margin: 0 .4rem 0 0; letter-spacing: .01em; }
        select, input, button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 5px; padding: .2rem .5rem; max-width: 100%; }
        input[type=checkbox] { vertical-align: -.1em; }
        button { cursor: pointer; }
        button:hover:not(:disabled), select:hover { border-color: var(--accent); }
        button:disabled { opacity: .45; cursor: default; }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
        .search { flex: 1 1 14rem; display: flex; gap: .4rem; align-items: center; }
        .search input { flex: 1; min-width: 6rem; }
        .buttons { display: flex; flex-wrap: wrap; gap: .4rem; }
        #summary { margin: .7rem 0 .4rem; color: var(--quiet); font-variant-numeric: tabular-nums; }
        #summary.bad { color: var(--found); }
        #path { min-height: 1.7rem; display: flex; flex-wrap: wrap; gap: .2rem; font-size: 12px; }
        #path button { border: 0; background: none; padding: 0 .2rem; color: var(--accent); max-width: 22rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
        #path button::after { content: " ›"; color: var(--quiet); }
        #graph { position: relative; overflow: hidden; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; min-height: 4rem; }
        .frame { position: absolute; height: 18px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; padding: 0 4px; font: 11.5px/17px ui-monospace, monospace;
          color: var(--frameInk); border-radius: 2px; border-right: 1px solid var(--panel); border-bottom: 1px solid var(--panel); cursor: pointer; background: var(--own); }
        .frame.tiny { padding: 0; }
        .frame.runtime { background: var(--runtime); } .frame.library { background: var(--library); } .frame.kernel { background: var(--kernel); } .frame.root { background: var(--root); }
        .frame:hover { filter: brightness(1.12); }
        .frame.found { box-shadow: inset 0 0 0 2px var(--found); }
        .frame.dim { opacity: .45; }
        #detail { min-height: 1.5em; margin: .5rem 0; font: 12.5px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
        table { border-collapse: collapse; width: 100%; font-size: 12.5px; table-layout: fixed; }
        caption { text-align: left; color: var(--quiet); padding: .4rem 0; }
        th, td { text-align: left; padding: .18rem .5rem; border-top: 1px solid var(--line); font-weight: 400; }
        th { color: var(--quiet); } td:first-child { font-family: ui-monospace, monospace; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
        .n { text-align: right; width: 8.5rem; font-variant-numeric: tabular-nums; }
        tbody tr { cursor: pointer; } tbody tr:hover { background: var(--panel); }
        footer { margin-top: 1rem; color: var(--quiet); font-size: 12.5px; } a { color: var(--accent); }
        @media (max-width: 40rem) { .n { width: 5.4rem; } }
        @media print { header .buttons, footer { display: none; } }

        """
}
