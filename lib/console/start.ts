/**
 * Begins the console once its page has been painted: the modules, which are many, must not come before that.
 * In a tab that is not seen, nothing is loaded until it is.
 */
requestAnimationFrame(() => {
  setTimeout(() => {
    const links = document.querySelectorAll<HTMLLinkElement>('link[rel=later]')
    for (const link of links) link.rel = 'modulepreload'
    import('./main.js').catch(() => {
      const place = document.querySelector('.boot')
      if (place !== null) place.textContent = 'The console could not be loaded: load this page again.'
    })
  })
})

export {}
