import { type Direction, DIRECTIONS, nearest } from './spatial';

const FOCUSABLE =
	'a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), summary, [role="tab"], [tabindex="0"]';
const TELEVISION = /\b(SMART-TV|SmartTV|Tizen|Web0S|webOS|NetCast|HbbTV|BRAVIA|AFT[A-Z]|Android TV|GoogleTV|CrKey|PlayStation|Xbox)\b/i;

export const isTelevision = (): boolean => TELEVISION.test(navigator.userAgent);

/** Moves the focus with the arrow keys, by where things stand on the screen. Returns how to stop. */
export function followArrows(): () => void {
	const onkeydown = (event: KeyboardEvent) => {
		const direction = DIRECTIONS[event.key];
		if (!direction || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
		const active = document.activeElement instanceof HTMLElement ? document.activeElement : null;
		if (active?.closest('[data-own-keys]') || document.querySelector('[data-own-keys]') || keepsArrows(active, event.key)) return;

		const scope = document.querySelector<HTMLElement>('dialog[open]') ?? document.body;
		if (!active || active === document.body || !scope.contains(active)) {
			// With nothing focused, up and down scroll the page as ever, but for a remote control.
			if ((direction === 'up' || direction === 'down') && !isTelevision()) return;
			const first = firstOf(scope);
			if (first) {
				event.preventDefault();
				focus(first);
			}
			return;
		}
		if (moveFocus(active, direction, scope)) event.preventDefault();
	};
	document.addEventListener('keydown', onkeydown);
	return () => document.removeEventListener('keydown', onkeydown);
}

/** Where a remote control begins on a page: its main button, else the first title in a grid. */
export function firstOf(scope: HTMLElement): HTMLElement | null {
	for (const selector of ['main [data-nav-first]', 'main li a[href]', 'main a[href]', 'main button', 'a[href], button']) {
		const found = scope.querySelector<HTMLElement>(selector);
		if (found) return found;
	}
	return null;
}

/** Focuses what is next in a direction within `scope`; false where there is nothing. */
export function moveFocus(active: HTMLElement, direction: Direction, scope: HTMLElement, selector = FOCUSABLE): boolean {
	const candidates = [...scope.querySelectorAll<HTMLElement>(selector)]
		.filter((item) => item !== active && item.tabIndex >= 0 && item.checkVisibility({ visibilityProperty: true }))
		.map((item) => ({ item, box: item.getBoundingClientRect() }))
		.filter(({ box }) => box.width > 1 && box.height > 1);
	const target = nearest(active.getBoundingClientRect(), candidates, direction);
	if (target) focus(target);
	return target !== null;
}

function focus(item: HTMLElement): void {
	item.focus({ preventScroll: true });
	const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
	item.scrollIntoView({ block: 'center', inline: 'nearest', behavior: calm ? 'auto' : 'smooth' });
}

/** Text fields, menus and sliders need the arrows for themselves. */
function keepsArrows(active: HTMLElement | null, key: string): boolean {
	if (!active) return false;
	if (active instanceof HTMLInputElement) {
		if (['range', 'radio', 'number', 'date'].includes(active.type)) return true;
		if (active.type === 'checkbox' || active.type === 'button') return false;
		return key === 'ArrowLeft' || key === 'ArrowRight';
	}
	const role = active.getAttribute('role') ?? '';
	if (role === 'tab') return key === 'ArrowLeft' || key === 'ArrowRight';
	return (
		active instanceof HTMLSelectElement ||
		active instanceof HTMLTextAreaElement ||
		['menuitem', 'menuitemradio', 'slider', 'option', 'listbox'].includes(role)
	);
}
