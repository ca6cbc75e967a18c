-- The terms of numbers had `#` behind the path, where a key that ends in it could have texts. Now it
-- stands before the path, where no path begins so. What is sixteen hexadecimal digits is a number.
update index_terms set field = '#' || substr(field, 1, length(field) - 1)
where field like '%#' and field not like '#%' and length(value) = 16 and value not glob '*[^0-9a-f]*';
