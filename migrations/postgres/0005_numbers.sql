-- The terms of numbers had `#` behind the path, where a key that ends in it could have texts. Now it
-- stands before the path, where no path begins so. What is sixteen hexadecimal digits is a number.
update index_terms set field = '#' || left(field, -1)
where field like '%#' and field not like '#%' and value ~ '^[0-9a-f]{16}$';
