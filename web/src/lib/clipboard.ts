/** Copies a text; false where the browser does not let the page. */
export async function copy(text: string): Promise<boolean> {
	try {
		if (navigator.clipboard) {
			await navigator.clipboard.writeText(text);
			return true;
		}
	} catch {
		// Refused: the old way may still do.
	}
	// Over plain http, as at home, browsers have only the old way. It must be within an open dialog to have the focus.
	const field = document.createElement('textarea');
	field.value = text;
	field.style.cssText = 'position:fixed;opacity:0';
	const focused = document.activeElement;
	(document.querySelector('dialog[open]') ?? document.body).append(field);
	field.select();
	const copied = document.execCommand('copy');
	field.remove();
	if (focused instanceof HTMLElement) focused.focus();
	return copied;
}

/** Hands a text to the person as a file. */
export function download(name: string, text: string): void {
	const link = document.createElement('a');
	link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
	link.download = name;
	link.click();
	URL.revokeObjectURL(link.href);
}
