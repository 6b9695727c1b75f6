"""How the app looks: warm paper or ink, one red as of a seal, IBM Plex as Gradio brings it, and crisp pixels."""

from __future__ import annotations

from gradio.themes.base import Base
from gradio.themes.utils import colors, fonts, sizes

from .dropped import DROPPED
from .keyboard import KEYBOARD

RED = colors.Color(
    "#fdf3f0", "#fbe3dd", "#f6c4b8", "#ee9c89", "#e5705a", "#d9482f", "#c53a23", "#a32e1b", "#822617", "#5f1d13",
    "#36100a",
)  # fmt: skip
PAPER = colors.Color(
    "#fbfaf7", "#f4f2ed", "#e7e3da", "#d3cdc1", "#a8a195", "#7b756a", "#5b564d", "#423e38", "#2b2926", "#1d1b19",
    "#131211",
)  # fmt: skip


class Studio(Base):
    """The app's theme; nothing in it is fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__(
            primary_hue=RED,
            secondary_hue=PAPER,
            neutral_hue=PAPER,
            text_size=sizes.text_md,
            spacing_size=sizes.spacing_md,
            radius_size=sizes.radius_sm,
            font=(fonts.LocalFont("IBM Plex Sans"), "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"),
            font_mono=(fonts.LocalFont("IBM Plex Mono"), "ui-monospace", "monospace"),
        )
        self.set(
            body_background_fill="*neutral_50",
            body_background_fill_dark="*neutral_950",
            body_text_color="*neutral_900",
            body_text_color_dark="*neutral_200",
            body_text_color_subdued="*neutral_500",
            body_text_color_subdued_dark="*neutral_400",
            background_fill_primary="white",
            background_fill_primary_dark="*neutral_900",
            background_fill_secondary="*neutral_100",
            background_fill_secondary_dark="*neutral_800",
            border_color_primary="*neutral_200",
            border_color_primary_dark="*neutral_800",
            color_accent="*primary_500",
            color_accent_soft="*primary_50",
            color_accent_soft_dark="*primary_950",
            block_background_fill="transparent",
            block_background_fill_dark="transparent",
            block_border_width="0px",
            block_shadow="none",
            block_padding="0px",
            block_label_background_fill="transparent",
            block_label_background_fill_dark="transparent",
            block_label_border_width="0px",
            block_label_text_color="*neutral_500",
            block_label_text_color_dark="*neutral_400",
            block_title_text_color="*neutral_800",
            block_title_text_color_dark="*neutral_200",
            block_title_text_weight="600",
            block_title_text_size="*text_sm",
            block_info_text_color="*neutral_500",
            block_info_text_color_dark="*neutral_400",
            block_info_text_size="*text_xs",
            form_gap_width="0px",
            layout_gap="18px",
            input_background_fill="white",
            input_background_fill_dark="*neutral_900",
            input_border_width="1px",
            input_border_color="*neutral_300",
            input_border_color_dark="*neutral_700",
            input_border_color_focus="*primary_500",
            input_border_color_focus_dark="*primary_500",
            input_shadow="none",
            input_shadow_focus="0 0 0 3px *primary_100",
            input_shadow_focus_dark="0 0 0 3px *primary_950",
            slider_color="*primary_500",
            slider_color_dark="*primary_500",
            button_primary_background_fill="*primary_500",
            button_primary_background_fill_hover="*primary_600",
            button_primary_background_fill_dark="*primary_500",
            button_primary_background_fill_hover_dark="*primary_600",
            button_primary_text_color="white",
            button_primary_border_color="*primary_500",
            button_secondary_background_fill="white",
            button_secondary_background_fill_hover="*neutral_100",
            button_secondary_background_fill_dark="*neutral_900",
            button_secondary_background_fill_hover_dark="*neutral_800",
            button_secondary_border_color="*neutral_300",
            button_secondary_border_color_dark="*neutral_700",
            button_border_width="1px",
            button_large_text_weight="600",
            button_medium_text_weight="500",
            button_small_text_weight="500",
        )


CSS = """
.gradio-container { width: 100% !important; max-width: 1240px !important; margin: auto;
  padding: 8px 0 32px !important; }
.gradio-container .form { background: none; border: 0; box-shadow: none; gap: 16px; overflow: visible; }
.gradio-container .form > .block { overflow: visible !important; }
.gradio-container .row > .form { flex-wrap: nowrap; }
.gradio-container footer { margin-top: 28px; }

#header { align-items: end; gap: 24px; margin-bottom: 10px; flex-wrap: nowrap; }
#brand .prose { display: flex; gap: 14px; align-items: center; }
#brand svg { width: 46px; height: 46px; flex: none; }
#brand h1 { font-size: 1.6rem; font-weight: 600; letter-spacing: -0.03em; line-height: 1.1; margin: 0;
  white-space: nowrap; }
#brand { flex: 0 0 auto; width: auto; margin: 0 auto 0 0 !important; }
#header .form { flex: 0 1 600px !important; }
#language { flex: none; width: auto; min-width: 0 !important; display: flex; gap: 2px; padding-bottom: 8px !important; }
#language button { padding: 3px 7px; border-radius: 3px; font-size: .8rem; white-space: nowrap;
  color: var(--body-text-color-subdued); }
#language button:hover { color: var(--color-accent); }
#language button[aria-pressed=true] { color: var(--body-text-color); background: var(--background-fill-secondary); }
button.dice { align-self: end; min-height: 42px; font-size: .95rem !important; font-weight: 500 !important; }

#opening { display: none; }
.opening #opening { display: block; position: fixed; top: 45%; left: 50%; transform: translateX(-50%); z-index: 50;
  width: auto; padding: 12px 22px !important; border-radius: 4px; color: white; background: var(--neutral-800); }
.opening #opening p { color: white; font-weight: 600; margin: 0; }
.opening .tabs { opacity: .35; filter: grayscale(1); pointer-events: none; }
.tab-container { border-bottom: 1px solid var(--border-color-primary); }
.tab-container button { font-size: .95rem; padding: 10px 2px !important; margin-right: 24px; }
#hidden-tabs { display: none; }
.tabitem { padding: 6px 0 0 !important; border: 0 !important; }

.controls { gap: 16px !important; }
.stage { gap: 14px !important; min-width: 0; }
.lead, .lead p { color: var(--body-text-color-subdued); font-size: .92rem; max-width: 62ch; }
.section h3 { font-size: 1rem; font-weight: 600; letter-spacing: -0.01em; margin: 0 0 2px; }
.caption { overflow: visible !important; margin-top: 4px; }
.caption + * { margin-top: -8px; }
.chips { gap: 8px; }
.caption p { font-size: .72rem; font-weight: 600; color: var(--body-text-color-subdued); letter-spacing: .06em;
  margin: 0; }

#images .grid-wrap { max-height: none; min-height: 0; height: auto; padding: 0; overflow: visible; }
#images .grid-container { gap: 6px; }
#images .grid-container:not(:has(> :nth-child(2))) { grid-template-columns: minmax(0, 360px) !important; }
#images .grid-container:has(> :nth-child(17)) { grid-template-columns: repeat(6, minmax(0, 1fr)) !important; }
#images .grid-container:has(> :nth-child(37)) { grid-template-columns: repeat(8, minmax(0, 1fr)) !important; }
#images .thumbnail-item { border: 0; box-shadow: none; border-radius: 3px; background: none; }
.dark input[type=range] { --neutral-200: var(--neutral-700); }
#images .thumbnail-item:hover { outline: 2px solid var(--color-accent); outline-offset: 1px; filter: none; }
#images img, .sheet img, #nearest img, #about-samples img, .pixels img { image-rendering: pixelated; }
#images .caption-label { display: none; }
.captioned #images .caption-label { display: block; left: 0; right: 0; bottom: 0; margin: 0; max-width: 100%;
  border: 0; border-radius: 0; font-size: .7rem; text-align: center; background: var(--background-fill-primary);
  color: var(--body-text-color); opacity: .88; }
#chosen-picture { padding: 10px 0; border-top: 1px solid var(--border-color-primary);
  border-bottom: 1px solid var(--border-color-primary); }
#derived .sheet button { max-width: 132px; width: 100%; justify-self: center; }
#images .preview { background: var(--background-fill-primary); }

.gradio-container :is(button, a, summary, input[type=checkbox], input[type=radio], input[type=range]):focus-visible,
.gradio-container .thumbnail-item:focus-visible { outline: 2px solid var(--color-accent) !important;
  outline-offset: 2px !important; }
.gradio-container .tab-container button:focus-visible { outline-offset: -2px !important; }

.sheet { display: grid; gap: 3px; align-items: center; }
.sheet.strip { display: flex; flex-wrap: wrap; gap: 6px; }
.sheet.strip button { width: 56px; flex: none; }
.sheet button { padding: 0; border: 0; background: var(--background-fill-secondary); line-height: 0; cursor: pointer;
  border-radius: 2px; }
.sheet button:hover, .sheet button:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 1px; }
.sheet button[aria-pressed=true] { outline: 3px solid var(--color-accent); outline-offset: -1px; z-index: 1; }
.sheet img { width: 100%; display: block; border-radius: inherit; }
.gradio-container .direction, .gradio-container .direction > .styler { background: none; border: 0; overflow: visible;
  gap: 4px; }
.direction .pixels { min-height: 44px; padding: 0 18px 0 14px !important; }
.direction .sheet { justify-content: space-between; grid-template-columns: repeat(5, 42px) !important; }
.axes { margin: 0 0 4px; font-size: .8rem; color: var(--body-text-color-subdued); text-align: center; }
.sheet-label { font-size: .72rem; line-height: 1.15; color: var(--body-text-color-subdued); padding: 2px 4px;
  text-align: center; overflow-wrap: anywhere; }
.sheet-label img { max-width: 48px; margin: auto; }

.sheet button > span { display: block; padding: 6px 8px; font-size: .8rem; line-height: 1.3; text-align: left;
  color: var(--body-text-color); overflow-wrap: anywhere; }
.sheet.strip button:has(> span) { width: auto; max-width: 100%; }

.listing { display: grid; gap: 10px; }
.listing .sample { border: 1px solid var(--border-color-primary); border-radius: 3px; min-width: 0;
  background: var(--background-fill-primary); }
.listing header { display: flex; gap: 14px; align-items: baseline; padding: 6px 12px; font-size: .78rem;
  color: var(--body-text-color-subdued); border-bottom: 1px solid var(--border-color-primary); }
.listing header span { flex: 1; white-space: nowrap; font-variant-numeric: tabular-nums; }
.listing header a, .listing header button { color: inherit; background: none; border: 0; padding: 2px 0; font: inherit;
  text-decoration: underline; text-underline-offset: 2px; cursor: pointer; }
.listing header a:hover, .listing header button:hover, .listing header button.done { color: var(--color-accent); }
.listing pre { margin: 0; padding: 10px 12px; font-family: var(--font-mono); font-size: .9rem; line-height: 1.55;
  white-space: pre-wrap; overflow-wrap: anywhere; color: var(--body-text-color); background: none; }
.listing pre.prose { font-family: var(--font); font-size: .95rem; }
.listing pre.verse { font-family: "Noto Serif", Georgia, serif; font-size: 1rem; }
.dark audio { color-scheme: dark; }
#about-preview pre { max-height: 26rem; overflow: auto; white-space: pre-wrap; }
.listing pre.verse.chinese { writing-mode: vertical-rl; margin: 0 auto; padding: 18px 14px; line-height: 2;
  font-family: "Noto Serif CJK TC", "Songti TC", "Source Han Serif", "PMingLiU", serif; font-size: 1.35rem;
  letter-spacing: .08em; min-height: 14em; max-height: 28em; overflow-x: auto; }
.listing.drafts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 280px), 1fr)); align-items: start; }
.listing.drafts:has(.verse.chinese) { grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); }
.listing.drafts header { flex-wrap: wrap; gap: 2px 12px; }
.drafts pre .prompt { color: var(--body-text-color-subdued); }
.drafts pre i { font-style: normal; cursor: pointer; border-radius: 2px; }
.drafts pre i:hover { box-shadow: 0 0 0 1px var(--color-accent); }
.probabilities .drafts pre i {
  background: color-mix(in srgb, var(--color-accent) calc(var(--surprise) * 60%), transparent); }
.listing.tiles { grid-template-columns: repeat(auto-fill, minmax(min(100%, 220px), 1fr)); }
.listing img { display: block; width: 100%; height: 130px; object-fit: fill; }
.listing header b { color: var(--body-text-color); font-weight: 600; }
.pad { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; max-width: 620px;
  margin-bottom: 18px; }
.pad button { position: relative; height: 92px; border: 1px solid var(--border-color-primary); border-radius: 6px;
  background: #000004 center / 100% 100%; cursor: pointer; touch-action: none; overflow: hidden; }
.pad button:focus-visible, .pad button:hover { outline: 2px solid var(--color-accent); outline-offset: 1px; }
.pad button.struck { outline: 4px solid var(--color-accent); outline-offset: -2px; filter: brightness(1.5); }
.pad kbd { position: absolute; top: 6px; left: 7px; min-width: 1.7em; padding: 1px 5px; border-radius: 4px;
  background: var(--neutral-50); color: var(--neutral-900); font: 600 .8rem var(--font-mono);
  text-transform: uppercase; }
.pad span { position: absolute; inset: auto 0 0 0; padding: 3px 8px; text-align: left; font-size: .78rem;
  background: rgb(0 0 0 / .55); color: white; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.listing audio { width: 100%; display: block; padding: 8px 12px; box-sizing: border-box; }

#train-looked .thumbnails { width: 100%; max-width: 560px; image-rendering: pixelated; border-radius: 3px; }
#train-looked pre { margin: 0 0 6px; padding: 8px 12px; max-height: 9em; overflow: auto; white-space: pre-wrap;
  font-size: .8rem; background: var(--background-fill-secondary); }
#train-looked p, .run-status p, #train-picture p { font-size: .88rem; margin: 6px 0 0;
  color: var(--body-text-color-subdued); overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
#train-looked p.warning, .run-status p.warning { color: var(--body-text-color); padding-left: 10px;
  border-left: 3px solid var(--color-accent); }
.run-status header { display: flex; gap: 12px; align-items: baseline; }
.run-status .state { font-size: .85rem; color: var(--body-text-color-subdued); }
.run-status .state.training { color: var(--color-accent); }
.run-status .bar { height: 6px; margin-top: 8px; border-radius: 3px; background: var(--background-fill-secondary);
  overflow: hidden; }
.run-status .bar i { display: block; height: 100%; background: var(--color-accent); }
#train-picture img { width: 100%; max-height: 80vh; object-fit: contain; object-position: 0 0; display: block;
  image-rendering: pixelated; border-radius: 3px; }
#train-picture audio { width: 100%; }
#train-picture pre { margin: 0; padding: 10px 12px; max-height: 30em; overflow: auto; white-space: pre-wrap;
  font-size: .82rem; background: var(--background-fill-secondary); }
.charts { display: grid; gap: 14px; }
.charts figure { margin: 0; }
.charts figcaption { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: .8rem; margin-bottom: 2px;
  font-variant-numeric: tabular-nums; color: var(--body-text-color); }
.charts figure > div { display: flex; gap: 6px; }
.charts .scale { display: flex; flex-direction: column; justify-content: space-between; font-size: .68rem;
  width: 4.2em; flex: none; text-align: right; color: var(--body-text-color-subdued); }
.charts svg { flex: 1; min-width: 0; height: 90px; border-bottom: 1px solid var(--border-color-primary); }
.charts svg line { stroke: var(--body-text-color-subdued); stroke-dasharray: 3 3; vector-effect: non-scaling-stroke; }
.charts polyline { fill: none; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.charts polyline.line-0 { stroke: var(--color-accent); }
.charts polyline.line-1 { stroke: var(--body-text-color-subdued); }
.charts figure:has(.line-1) span.line-0 { color: var(--color-accent); }
.charts figure:has(.line-1) span.line-1 { color: var(--body-text-color-subdued); }

#guess { max-width: 62ch; }
#guess p, #verdict p { font-size: .98rem; line-height: 1.5; margin: 0 0 12px; }
#verdict p { padding-left: 12px; border-left: 3px solid var(--color-accent); }
.answers { display: grid; gap: 8px; }
.answers.pictures { grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 6px; max-width: 480px; }
.answers button { text-align: left; padding: 9px 12px; border: 1px solid var(--border-color-primary);
  border-radius: 4px; background: var(--background-fill-primary); color: var(--body-text-color); cursor: pointer; }
.answers.pictures button { padding: 0; line-height: 0; overflow: hidden; }
.answers img, .judged img, .moment img { width: 100%; image-rendering: pixelated; display: block; }
.answers button:hover { border-color: var(--color-accent); }
.answers button[aria-pressed=true] { outline: 2px solid var(--color-accent); outline-offset: -1px; }
.answers.told button { cursor: default; }
.answers.told button.right::after { content: " ✓"; color: var(--color-accent); font-weight: 600; }
.lesson .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 260px), 1fr)); gap: 20px;
  align-items: start; }
.lesson p, .lesson figcaption { font-size: .85rem; color: var(--body-text-color-subdued);
  font-variant-numeric: tabular-nums; margin: 6px 0 0; }
.lesson figure { margin: 0; }
.lesson .charts figcaption { color: var(--body-text-color); margin: 0 0 2px; }
.cloud svg { width: 100%; max-width: 360px; background: var(--background-fill-secondary); border-radius: 3px; }
.cloud path { fill: none; stroke-width: 3.2; stroke-linecap: round; stroke: var(--body-text-color-subdued);
  opacity: .5; }
.cloud path.generated { stroke: var(--color-accent); opacity: .75; }
.cloud line { stroke: var(--color-accent); stroke-width: .8; }
.intervals svg { width: 100%; overflow: hidden; border-bottom: 1px solid var(--border-color-primary); }
.intervals line { stroke: var(--body-text-color-subdued); stroke-width: 1.5; }
.intervals circle { fill: var(--body-text-color); }
.intervals .missed line { stroke: var(--color-accent); }
.intervals .missed circle, .intervals .truth { fill: var(--color-accent); stroke: var(--color-accent); }
.intervals .axis { display: flex; justify-content: space-between; font-size: .68rem;
  color: var(--body-text-color-subdued); }
.judged { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 8px 6px; max-width: 620px; }
.scored { text-align: center; font-size: .72rem; line-height: 1.3; }
.scored b { display: block; font-variant-numeric: tabular-nums; }
.scored.generated b { color: var(--color-accent); }
.scored span { color: var(--body-text-color-subdued); overflow-wrap: anywhere; }
.scored.wrong img { outline: 2px solid var(--color-accent); }
#dial :is(.tab-like-container, .min_value, .max_value) { display: none; }
#again { align-self: start; width: auto; }

#about-facts table, #findings table { width: 100%; font-size: .92rem; border-collapse: collapse; }
#about-facts table, #about-facts tr, #about-facts th, #about-facts td,
#findings table, #findings tr, #findings th, #findings td { border: 0; }
#about-facts tr, #findings tr { border-bottom: 1px solid var(--border-color-primary); }
#about-facts th, #about-facts td, #findings th, #findings td { padding: 7px 16px 7px 0; vertical-align: baseline; }
#findings td { overflow-wrap: anywhere; }
.info-sign { position: relative; cursor: help; color: var(--body-text-color-subdued); }
.info-sign:is(:hover, :focus)::after { content: attr(aria-label); position: absolute; left: -40px; top: 1.8em;
  z-index: 20; width: 240px; padding: 8px 12px; border-radius: 4px; white-space: normal; font-size: .8rem;
  font-weight: 400; color: white; background: var(--neutral-800); }
#about-facts th, #findings th { text-align: left; font-weight: 500; color: var(--body-text-color-subdued);
  white-space: nowrap; }
#about-facts td { font-variant-numeric: tabular-nums; }
#about-facts .figures td:not(.caveat, [colspan]) { white-space: nowrap; }
#about-facts .caveat { font-size: .8rem; color: var(--body-text-color-subdued); padding-right: 0; }
#about-samples img { width: 100%; height: auto; }
#nearest img { width: 100%; height: 100%; object-fit: contain; }
#about-facts h3 { margin: 22px 0 6px; font-size: 1rem; }
#about-facts .note { font-size: .8rem; color: var(--body-text-color-subdued); margin-top: 6px; }
#about-card .prose { max-width: 72ch; font-size: .92rem; }

@media (max-width: 640px) {
  .gradio-container { padding: 4px 0 24px !important; overflow: clip !important; }
  .gradio-container .main { width: 100vw !important; max-width: 100vw !important; padding: 8px 14px !important;
    box-sizing: border-box; }
  .gradio-container .main > .wrap, .gradio-container main { width: 100%; max-width: 100%; min-width: 0; }
  .gradio-container .wide > .column { min-width: 100% !important; }
  #header .form { min-width: 0 !important; flex: 1 1 100% !important; }
  .gradio-container .wide > .stage.first { display: contents; }
  .gradio-container .wide > .stage.first > * { order: -1; }
  .gradio-container #images { position: sticky; top: 0; z-index: 100; max-height: 50vh; overflow-y: auto;
    background: var(--body-background-fill); }
  #header { gap: 12px; flex-wrap: wrap; }
  #brand { order: -2; }
  #language { order: -1; }
  .tab-container button { margin-right: 8px; font-size: .85rem; }
  #images .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
  .sheet-label { font-size: .56rem; }
  .sheet-label.upright { writing-mode: vertical-rl; transform: rotate(180deg); align-self: end; justify-self: center;
    font-size: .72rem; white-space: nowrap; padding: 4px 0; text-align: left; }
  .answers.pictures, .judged { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  #about-facts .figures, #about-facts .figures tbody { display: block; padding: 0; }
  #about-facts .figures tr { display: grid; grid-template-columns: minmax(0, 1fr) auto minmax(10rem, auto); padding: 0;
    margin: 0; }
  #about-facts .figures th, #about-facts .figures td { margin: 0; padding-right: 10px; white-space: normal; }
  #about-facts .figures td:last-child, #about-facts .figures td:nth-last-child(2) { padding-right: 0; }
  #about-facts .figures td[colspan] { grid-column: span 2; }
  #about-facts .figures .caveat { grid-column: 1 / -1; padding-top: 0; }
}
"""

HEAD = f"<style>{CSS}</style><script>{{{KEYBOARD}}}</script><script>{{{DROPPED}}}</script>"
BRAND = """
<svg viewBox="0 0 6 6" shape-rendering="crispEdges" aria-hidden="true"><rect width="6" height="6" fill="#d9482f"/>
<path fill="#fbfaf7" d="M2 1h2v1h1v3h-1v-1h-2v1h-1v-3h1z"/><path fill="#d9482f" d="M2 2h2v1h-2z"/></svg>
"""
